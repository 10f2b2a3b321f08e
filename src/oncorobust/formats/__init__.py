"""Readers of raw image trees: one module or folder per published format."""
