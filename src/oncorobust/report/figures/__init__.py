"""Draw the paper's figures and ours from stored numbers."""
