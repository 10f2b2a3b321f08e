"""Reader of CBIS-DDSM trees: DICOM crops, masks and mammograms, joined to the published CSV files."""
