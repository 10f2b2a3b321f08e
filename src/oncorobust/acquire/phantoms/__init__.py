"""Synthetic images in the formats of the real data sets, for a machine that has none of them.

Renderers make arrays and never see a file: `texture` (shared shapes), `lung`, `breast`, `brain` (its places in
`brain_places`), `objects` (its things in `object_kinds`). Writers make trees of them in the published layouts, marked
as synthetic in every file that can say so: `dicom_writing`, `lidc_tree`, `cbis_ddsm_tree`, `brain_mets_tree`,
`cifar10_batches`.
"""
