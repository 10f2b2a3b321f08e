"""Reader of MRI trees with brain metastases: DICOM with a table of lesions, or NIfTI with segmentations."""
