"""Read trees of brain-metastases MRI: DICOM with a table of lesions, or NIfTI with segmentations."""
