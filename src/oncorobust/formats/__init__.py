"""Read raw trees of images into image records, one module or folder for each published format."""
