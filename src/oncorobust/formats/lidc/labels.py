"""Labels of nodules, benign or malignant: by pathology where available, otherwise by the readers' ratings.

Readers rate the malignancy of a nodule from 1 (highly unlikely) to 5 (highly suspicious). A mean or median rating above
3 is malignant, below 3 benign; a setting decides about exactly 3. With the mean, 3 as malignant, and the diagnoses by
biopsy or resection, LIDC-IDRI has 1,302 benign and 1,349 malignant nodules: the only rule found that allows for the
paper's 1,300 of each.
"""

from collections.abc import Sequence

import numpy as np

from oncorobust.formats.lidc.diagnosis import MALIGNANT_CODES, Diagnosis
from oncorobust.settings.data import Lidc

CLASS_NAMES = ("benign", "malignant")
MIDDLE_RATING = 3


def label_nodule(ratings: Sequence[int], diagnosis: Diagnosis | None, settings: Lidc) -> tuple[int, str] | None:
    """Label one nodule: 0 benign or 1 malignant, with `pathology` or `readers`; None if it is to be left out.

    ratings: malignancy, one number per reader. diagnosis: the patient's, None if there is none.
    """
    if len(ratings) < settings.min_readers:
        return None
    if diagnosis is not None and diagnosis.code != 0 and diagnosis.method in settings.pathology_methods:
        return int(diagnosis.code in MALIGNANT_CODES), "pathology"
    rating = float(np.mean(ratings) if settings.rating == "mean" else np.median(ratings))
    if rating != MIDDLE_RATING:
        return int(rating > MIDDLE_RATING), "readers"
    return None if settings.tie == "drop" else (int(settings.tie == "malignant"), "readers")
