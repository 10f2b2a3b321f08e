"""The ground floor: arrays, errors, seeds, units, epsilons, files and the state of an interrupted run."""
