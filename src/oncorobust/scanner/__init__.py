"""What a scanner, a protocol or an archive changes in an image, as changes of raw values in physical units."""
