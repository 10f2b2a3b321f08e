"""Build the paper's tables and ours from stored metrics, each cell with its sources."""
