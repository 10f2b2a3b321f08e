"""Synthetic images in the formats of the real data sets, for machines without those data.

Renderers make arrays and never access files: `texture` (shared shapes), `lung`, `breast`, `brain` (positions in
`brain_places`), `objects` (shapes in `object_kinds`). Writers save them as trees in the published layouts and mark
every file as synthetic if its format allows: `dicom_writing`, `lidc_tree`, `cbis_ddsm_tree`, `brain_mets_tree`,
`cifar10_batches`.
"""
