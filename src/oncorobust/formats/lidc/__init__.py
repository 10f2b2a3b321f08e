"""Reader of LIDC-IDRI trees: CT series, the readers' XML annotations and the diagnosis spreadsheet."""
