"""Make a script a stage, and keep the graphs of Snakemake and DVC one graph."""
