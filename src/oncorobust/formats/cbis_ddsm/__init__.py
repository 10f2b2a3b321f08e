"""Read CBIS-DDSM trees: DICOM crops and films, joined to the published CSV files."""
