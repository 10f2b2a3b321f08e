"""Turn stored numbers into the tables, figures and page that people read."""
