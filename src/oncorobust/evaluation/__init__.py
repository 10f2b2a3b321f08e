"""Evaluation of test images under both protocols: one row per image, and accuracies."""
