"""Tracing of a table cell back to its rows, model, data, parameters and code, with its value recomputed."""
