"""Read DICOM files and index trees of them by series."""
