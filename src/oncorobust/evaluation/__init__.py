"""Attack test images under both protocols and turn the outcome into per-image rows and accuracies."""
