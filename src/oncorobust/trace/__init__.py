"""Trace a table cell back to its rows, model, data, parameters and code, and compute it again."""
