"""Shared machinery of the pipeline's stages, and tools that keep Snakemake and DVC consistent with each other."""
