"""The certificates of a model, from its settings; not in `model_evaluation`, whose code belongs to other stages too."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from oncorobust.base.seeds import child_seed
from oncorobust.evaluation.certificate_rows import Smoothing
from oncorobust.evaluation.certified_images import certified_images
from oncorobust.evaluation.resumable_rows import ResumableRows
from oncorobust.pipeline.model_evaluation import ModelEvaluation
from oncorobust.settings.certify import Certify


def model_certificates(
    opened: ModelEvaluation, settings: Certify, *, grid: Sequence[float]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows of certificates.csv and the content of certify.json (`certified_images`).

    grid: epsilons of the attack on the smoothed model, in addition to those of the tables.
    """
    attacks = opened.attacks
    smoothing = Smoothing(
        classifier=opened.classifier,
        settings=settings,
        precision="bfloat16" if attacks.strict.search_precision == "bfloat16" else "float32",
        table_epsilons=attacks.table_epsilons,
        seed=opened.seed,
        batch_size=attacks.batch_size,
    )
    return certified_images(
        smoothing,
        opened.data.subset(settings.max_images, seed=child_seed(opened.seed, "certified images")),
        opened.validation(settings.validation_images),
        attack_epsilons=tuple(sorted({*grid, *attacks.table_epsilons})),
        resumable=ResumableRows(opened.progress.update, opened.state, begin=opened.progress.begin),
    )
