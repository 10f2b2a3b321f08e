"""Reader of DICOM files and index of their headers."""
