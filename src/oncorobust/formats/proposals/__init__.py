"""Proposals of a manifest for a folder of images that has none: what the folder is, its rows, and what is uncertain."""
