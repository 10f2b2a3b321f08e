"""Sources of raw trees: downloads, images inside installed packages, and synthetic phantoms."""
