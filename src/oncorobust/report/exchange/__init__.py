"""The numbers of a run as files for other programs: JSON, LaTeX, XLSX, model cards, bills of materials, BibTeX."""
