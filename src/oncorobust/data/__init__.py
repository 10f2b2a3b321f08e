"""Raw trees in the formats in which they are published, and the stage that fetches or makes trees.

records         what every reader gives: rows, class names, and a function from a row to its stored values
formats         from a format's settings to its reader
lidc*           LIDC-IDRI: DICOM, the readers' XML, nodules, labels, the diagnosis spreadsheet
cbis_*          CBIS-DDSM: its CSVs, and which of two files is the crop
brain_*         brain metastases: DICOM with lesions.csv, NIfTI with segmentations; volumes has their geometry
idx, mnist      MNIST's four files
cifar10         CIFAR-10's binary and Python batches; array_pickles reads the latter without running them
manifest        a CSV beside image files of any kind: the door for anyone's own data
image_files     one image file: PNG, JPEG, TIFF, DICOM (dicom_files), NIfTI, npy
dicom_index     all DICOM files below a folder, from their headers
walk, csv_text  all files below a folder; a CSV as text with line numbers
synthetic       whether a tree is synthetic
acquire         raw trees the project makes: packaged, download*, or phantoms (oncorobust.acquire.phantoms)
"""
