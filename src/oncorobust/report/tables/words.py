"""A cell in words: what its number is, of which images and models, and how its interval was computed.

    share of the 12 attacked test images that are predicted as labelled and that no attack changes within epsilon 0.002;
    adversarial model minus clean model, data set lidc

The words follow from the cell's sources alone, so that they cannot differ from what is computed.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from oncorobust.attacks.names import CONVERGED, STRICT_ATTACKS
from oncorobust.base.epsilons import epsilon_text
from oncorobust.evaluation.draw_intervals import AT_AN_END, LOGIT
from oncorobust.report.tables.acquisition_estimates import DIVIDED
from oncorobust.report.tables.cell import Cell, MetricSource, RowsSource
from oncorobust.report.tables.group_estimates import compares_groups
from oncorobust.report.tables.protocols import LAST_ATTACKS
from oncorobust.report.tables.seed_spread import OF_SEEDS, share_of_seed
from oncorobust.report.tables.statistic_words import ATTACK_TITLES, STATISTIC_WORDS

_METHODS = {
    "BCa bootstrap": "bias-corrected and accelerated bootstrap of patients with all their images",
    "Wilson with design effect": "Wilson's interval, with the images divided by the design effect of patients",
    "MOVER with design effect": "Wilson's intervals of the parts with the design effect of patients, joined by MOVER",
    "Clopper-Pearson by patient": "Clopper-Pearson bound by patient, because all patients have the same value",
    "MOVER of Newcombe's intervals": "Newcombe's intervals of both areas, joined by MOVER",
    "percentile bootstrap": "percentiles of the bootstrap of patients with all their images",
    LOGIT: "standard error of the bootstrap of patients, with Student's t on the logit scale",
    AT_AN_END: "percentiles of the bootstrap of patients, widened by Student's t, or Clopper-Pearson by patient",
    "distance of bootstrap draws": "distances of the values in bootstrap samples of patients from the value",
    "score interval of the curve at one half": "score interval of the survival curve at one half, by patient",
    "Clopper-Pearson, one-sided, in fixed sequence": "one-sided Clopper-Pearson bound, tested in fixed sequence",
}
"""Methods of intervals; a method that is not here is named as it is."""

_IMAGES = {
    "predictions.csv": "attacked test images",
    "intervals.csv": "attacked test images",
    "threats.csv": "attacked test images",
    "sensitivity.csv": "ranked test images",
    "acquisition.csv": "changed test images",
}
"""The images of a file of rows."""

_OVER_SEEDS = {
    "mean_over_seeds": "mean over {} training seeds of the {}",
    "smallest_over_seeds": "smallest value over {} training seeds of the {}",
    "largest_over_seeds": "largest value over {} training seeds of the {}",
    "deviation_over_seeds": "standard deviation over {} training seeds of the {}",
    "n_training_seeds": "number of training seeds ({}) behind the {}",
}


def cell_words(cell: Cell) -> str:
    """Return what a cell's number is."""
    if cell.paper is not None:
        table = PurePosixPath(cell.paper.file).stem
        return f"number that the paper prints, transcribed in {table}: row {cell.paper.row}, column {cell.paper.column}"
    if cell.rows:
        return _of_rows(cell)
    if cell.metrics:
        return _of_metrics(cell.metrics)
    return f"no number: {cell.no_interval}"


def interval_words(cell: Cell) -> str:
    """Return how a cell's interval was computed, or why it has none."""
    if cell.interval is None:
        return f"no interval: {cell.no_interval}"
    one = cell.interval
    method = _METHODS.get(one.method, one.method)
    patients = "" if cell.n_patients is None else f"; {cell.n_patients} patients"
    test = f"; p value by {cell.test.method}, adjusted by Holm for the table" if cell.test else ""
    return f"{100 * one.level:g} % interval: {method}{patients}, seed {one.seed}, {one.n_draws} samples{test}"


def source_words(cell: Cell) -> list[str]:
    """Return each term of a cell's number: metrics with their pointers, then rows with filter and statistic."""
    terms = [f"{_sign(one.sign)} {one.file} {one.pointer}" for one in cell.metrics]
    terms += [_rows_term(one) for one in cell.rows]
    if cell.paper is not None:
        terms.append(f"{cell.paper.file}, row {cell.paper.row}, column {cell.paper.column}")
    return terms


def _rows_term(rows: RowsSource) -> str:
    where = " where " + ", ".join(f"{name} = {value}" for name, value in rows.where.items())
    at = "" if rows.epsilon is None else f" at epsilon {epsilon_text(rows.epsilon)}"
    of = "".join(f", {name} {value}" for name, value in rows.options.items())
    return f"{_sign(rows.sign)} {rows.statistic}{at}{of} of {rows.file}{where if rows.where else ''}"


def _sign(sign: int) -> str:
    return "+" if sign > 0 else "-"


def _of_metrics(metrics: Sequence[MetricSource]) -> str:
    pointers = " + ".join(one.pointer for one in metrics)
    return f"number at {pointers} of {metrics[0].file} (of a list, its length)"


def _of_rows(cell: Cell) -> str:
    first = cell.rows[0]
    if first.statistic in OF_SEEDS:
        return _of_seeds(cell)
    if compares_groups(cell):
        groups = [f"{_dataset(one)} ({_model(one)} model)" for one in cell.rows]
        return f"{_phrase(first, None)}; first group {groups[0]}, second group {groups[1]}"
    return _signed_terms(cell.rows[:1] if first.statistic in DIVIDED else cell.rows, cell.n_images)


def _of_seeds(cell: Cell) -> str:
    seeds = list(dict.fromkeys(one.options["training_seed"] for one in cell.rows))
    of_one = [share_of_seed(one) for one in cell.rows if one.options["training_seed"] == seeds[0]]
    listed = ", ".join(map(str, seeds))
    return _OVER_SEEDS[cell.rows[0].statistic].format(f"{len(seeds)} ({listed})", _signed_terms(of_one, cell.n_images))


def _signed_terms(sources: Sequence[RowsSource], n_images: int | None) -> str:
    """Return a signed sum of statistics; what all terms have in common is said once."""
    phrases = [_phrase(one, n_images) for one in sources]
    models = [f"{_model(one)} model" for one in sources]
    told = f"data set {_dataset(sources[0])}"
    if len(set(phrases)) == 1:
        return f"{phrases[0]}; {_sum(models, sources)}, {told}"
    if len(set(models)) == 1:
        return f"{_sum(phrases, sources)}; {models[0]}, {told}"
    return f"{_sum([f'{phrase} ({model})' for phrase, model in zip(phrases, models, strict=True)], sources)}; {told}"


def _sum(texts: Sequence[str], sources: Sequence[RowsSource]) -> str:
    """Join terms by plus and minus, a positive one first."""
    ordered = sorted(zip(texts, sources, strict=True), key=lambda one: -one[1].sign)
    first, *others = ordered
    return (
        ("minus the " if first[1].sign < 0 else "")
        + first[0]
        + "".join(f" {'plus' if source.sign > 0 else 'minus'} {text}" for text, source in others)
    )


def _phrase(source: RowsSource, n_images: int | None) -> str:
    noun = _IMAGES.get(PurePosixPath(source.file).name, "test images")
    words = {
        "images": noun if n_images is None else f"{n_images} {noun}",
        "epsilon": "" if source.epsilon is None else epsilon_text(source.epsilon),
        "applies": f" to which the threat {source.where['threat']} applies" if "threat" in source.where else "",
        "changed": f" to which the change {source.where['change']} applies" if "change" in source.where else "",
        "condition": _condition(source),
        "attacks": _attacks(source.where),
        **{name: _option(value) for name, value in {**source.options, **source.where}.items()},
    }
    return STATISTIC_WORDS[source.statistic].format_map(words)


def _option(value: str | int | float) -> str:
    return value if isinstance(value, str) else epsilon_text(float(value))


def _condition(source: RowsSource) -> str:
    """Return under what the answers of some rows are given."""
    where = source.where
    if source.epsilon is not None:
        return f"under the worst attack of the cascade within epsilon {epsilon_text(source.epsilon)}"
    if "attacked_label" not in where or where["attack"] == "none":
        return "without attack"
    attack = ATTACK_TITLES.get(str(where["attack"]), where["attack"])
    return f"under {attack} away from the {where['attacked_label']} label at epsilon {_option(where['epsilon'])}"


def _attacks(where: Mapping[str, str | float]) -> str:
    """Return the attacks of the cascade up to that of the rows, with a verb to follow."""
    attack = str(where.get("attack", CONVERGED))
    if attack in LAST_ATTACKS:
        return "no attack changes"
    first = STRICT_ATTACKS[: STRICT_ATTACKS.index(attack) + 1] if attack in STRICT_ATTACKS else (attack,)
    titles = [ATTACK_TITLES.get(one, one) for one in first]
    return f"none of {', '.join(titles)} changes" if len(titles) > 1 else f"{titles[0]} does not change"


def _dataset(source: RowsSource) -> str:
    return PurePosixPath(source.file).parts[1]


def _model(source: RowsSource) -> str:
    """Return the model: a folder of the results, or a column of the rows of another training seed."""
    return str(source.where.get("model", PurePosixPath(source.file).parts[2]))
