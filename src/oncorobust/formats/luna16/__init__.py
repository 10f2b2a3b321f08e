"""Reader of LUNA16 trees: CT volumes as MetaImage, lists of nodules and of candidates."""
