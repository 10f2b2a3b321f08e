"""oncorobust: measure and repair the instability of image classifiers in oncology.

Read along the pipeline, a module or two a stage:

    acquire      data.packaged, data.download    raw trees in their published formats
    preprocess   data, preprocess, split, dataset, augment, contact_sheet
    train        model, weights, training
    harden       attacks, gradients, training
    attack       art_estimator, attacks, evaluation
    rank         sensitivity
    tabulate     tables, paper
    plot         figures
    report       report
    any result   provenance                      from a table cell back to its inputs

Images are float32 in [0, 1], models give logits, epsilon is the l_inf radius in [0, 1] units. Importing the package
imports no deep-learning framework.
"""

__version__ = "0.1.0"
