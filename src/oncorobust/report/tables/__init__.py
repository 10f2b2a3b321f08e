"""Tables of the report: the paper's and ours, from stored metrics, each cell with its sources."""
