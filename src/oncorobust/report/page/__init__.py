"""The HTML page of a run: each section's view, and the templates, style and scripts around them."""
