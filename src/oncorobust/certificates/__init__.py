"""Guarantees beside the attacks: randomized smoothing, attacks on the smoothed model, and interval bounds.

noise             the Gaussian noise, and how many values of an image it moves freely
counts            from counts of answers to a radius: Clopper-Pearson, Cohen's theorem, the l_inf epsilon
plan              how many samples at most, and at what alpha
sequential        when to look at the counts, and when sampling ends
stopping          which counts are given up, because further samples hardly change the answer
packed            samples of many images in shared forward passes
certify           the certificates of images
smoothed          the smoothed model as a classifier that may abstain
smoothed_attack   the upper bound of the same smoothed model: PGD in expectation over the noise
interval_bounds   certified epsilons of a small model itself, without noise
"""
