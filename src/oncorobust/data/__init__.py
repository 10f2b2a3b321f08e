"""Raw trees in the formats in which they are published: a module a format, and the stage that fetches trees.

records       what every reader gives: rows, class names, and a function from a row to its stored values
formats       from a format's name to its reader
idx, mnist    MNIST's four files
cifar10       CIFAR-10's binary and Python batches
manifest      a CSV beside image files of any kind: the door for anyone's own data
image_files   one image file: PNG, JPEG, TIFF, DICOM, NIfTI, npy
acquire       raw trees the project makes: packaged (out of an installed package), download (from the publisher)
"""
