"""Array types, errors, seeds, units, epsilons, files and the saved state of a run: what every other room builds on."""
