"""Figures of the report: the paper's and ours, from stored numbers."""
