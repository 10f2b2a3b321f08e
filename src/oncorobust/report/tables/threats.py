"""Table T: accuracy under the threat models of an imaging chain, before and after adversarial training.

A threat model says what an attack may change besides how much: each channel or all alike, the lesion or its
surroundings, only changes that a file of some bit depth keeps. For each threat and epsilon, over the images to which
the threat applies,

    without attack    share with clean prediction = label
    under attack      share with clean prediction = label that the attack does not change within epsilon

Data sets differ in their threats (colour images have no `tied`, only images with a lesion box have `lesion`) and in
their epsilons; the two models of a data set are attacked on the same images at the same epsilons. Rows are grouped by
epsilon, because threats are compared at equal epsilon. Without threat models the table has no rows and its caption says
so, because the pipeline names its files before it runs. Source of the rows: `oncorobust.evaluation.threats`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, get_args

from oncorobust.base.epsilons import epsilon_from_key, epsilon_key
from oncorobust.base.errors import InputError
from oncorobust.base.layout import results_file, table_file
from oncorobust.report.shown_attacks import row_key
from oncorobust.report.tables.cell import Cell, Field, Statistic, Table
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import Metrics, sourced_cell, threat_source
from oncorobust.settings.attacks import ThreatName
from oncorobust.settings.pipeline import Report

_STORED = "like tied, and adversarial after rounding to that many bits, within epsilon plus half a grey level"
_MEANINGS: dict[ThreatName, str] = {
    "full": "each channel of each pixel on its own, as in the paper",
    "tied": "all channels of a grey image alike",
    "lesion": "like tied, only inside the lesion's box",
    "background": "like tied, only outside the lesion's box",
    "stored_8": _STORED,
    "stored_12": _STORED,
    "stored_16": _STORED,
    "noise": "like tied, random noise without a search, as a baseline",
}
_CAPTION = (
    "Accuracy (%) under threat models of an imaging chain, by epsilon (l_inf radius for pixel values in [0, 1]): share "
    "of the images that are classified correctly and that PGD, run alone and not in the cascade, does not change. "
    "Threats: {meanings}. Colour images have no tied threat; their channels change independently. Images: number of "
    "images to which the threat applies; both accuracies are over these images."
)
_MISSING = (
    "Empty, because no threat models were run: they need the strict protocol (attacks.protocols in params.yaml) and "
    "attacks.strict.threats."
)
_NONE_APPLIES = "Empty, because none of the threat models of attacks.strict.threats applies to the images."
_REASONS: dict[ThreatName, str] = {
    "tied": "colour images",
    "lesion": "no lesion box",
    "background": "no lesion box",
}
"""Why a threat model applies to no image of a data set."""
_MODELS = (
    ("clean", "original", "clean (original)"),
    ("adversarial", "adversarially_trained", "adversarially trained"),
)
_FIELDS = (
    Field("n_images", "", "images", "count"),
    *(
        Field(name + ending, group, heading, "percent")
        for _, name, group in _MODELS
        for ending, heading in (("_clean", "without attack"), ("", "under attack"))
    ),
)


def table_t(attack: Metrics, *, report: Report, asked: Sequence[ThreatName] = ()) -> Table:
    """Return Table T from the metrics of `attack`.

    asked: threat models that were to be run; the caption lists those that apply to no image of a data set.

    Raises InputError where the two models of a data set differ in threats, epsilons or numbers of images.
    """
    places = {dataset: _places(dataset, models) for dataset, models in attack.items()}
    rows = _in_order(place for found in places.values() for place in found)
    columns = table_columns(attack, report)
    without = {column.title: _not_held(asked, places[column.key]) for column in columns}
    if rows:
        caption = _CAPTION.format(meanings=_meanings({threat for _, threat in rows}))
    else:
        caption = _NONE_APPLIES if asked else _MISSING
    return Table(
        name="Table T",
        file=table_file("threats"),
        caption=caption + _not_applicable(without),
        row_heads=("Threat", "Epsilon"),
        rows=tuple(row_key(threat, epsilon) for epsilon, threat in rows),
        data_sets="blocks",
        columns=columns,
        fields=_FIELDS,
        cells=tuple(cell for dataset, found in places.items() for cell in _cells(attack, dataset, found)),
    )


def _meanings(held: set[str]) -> str:
    """Return what each threat is, in one clause for those that differ only in their bits."""
    clauses = groupby((threat for threat in _MEANINGS if threat in held), key=_MEANINGS.__getitem__)
    return "; ".join(f"{', '.join(threats)} ({text})" for text, threats in clauses)


def _not_held(asked: Sequence[ThreatName], places: Iterable[tuple[float, str]]) -> list[ThreatName]:
    """Return the threats that were asked for and have no rows."""
    held = {threat for _, threat in places}
    return [threat for threat in asked if threat not in held]


def _not_applicable(without: Mapping[str, Sequence[ThreatName]]) -> str:
    """Return a sentence with the threats that do not apply, by the title of the data set, and why; "" for none."""
    clauses = []
    for title, threats in without.items():
        by_reason: dict[str, list[str]] = {}
        for threat in threats:
            by_reason.setdefault(_REASONS.get(threat, "no image"), []).append(threat)
        clauses += [f"{' and '.join(names)} to {title} ({reason})" for reason, names in by_reason.items()]
    return f" Does not apply: {'; '.join(clauses)}." if clauses else ""


def _places(dataset: str, models: Mapping[str, Mapping[str, Any]]) -> list[tuple[float, str]]:
    """Return the epsilons and threats of a data set; none where no threat models were run."""
    held = {
        results_file(dataset, model, "attack.json"): {
            threat: (part["n_images"], sorted(map(epsilon_from_key, part["robust_accuracy"])))
            for threat, part in content.get("threats", {}).items()
        }
        for model, content in models.items()
    }
    (first, expected), *others = held.items()
    for file, found in others:
        if found != expected:
            raise InputError(f"{file}: images and epsilons by threat {found} (expected {expected} as in {first})")
    return _in_order((epsilon, threat) for threat, (_, epsilons) in expected.items() for epsilon in epsilons)


def _in_order(places: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return each place once, by epsilon and then in the order in which the threats are defined."""
    order = get_args(ThreatName)
    return sorted(set(places), key=lambda place: (place[0], order.index(place[1])))


def _cells(attack: Metrics, dataset: str, places: Iterable[tuple[float, str]]) -> Iterator[Cell]:
    for epsilon, threat in places:
        for field, model, metric, statistic in _measured(epsilon, attack[dataset]):
            source = threat_source(dataset, model, threat=threat, epsilon=epsilon, metric=metric, statistic=statistic)
            row = row_key(threat, epsilon)
            yield sourced_cell(attack, source, table="Table T", row=row, dataset=dataset, field=field)


def _measured(epsilon: float, models: Iterable[str]) -> Iterator[tuple[str, str, str, Statistic]]:
    """Yield field, model, path below the threat in attack.json, and statistic of threats.csv."""
    yield "n_images", "clean", "n_images", "n_images"
    for model, name, _ in (one for one in _MODELS if one[0] in models):
        yield f"{name}_clean", model, "clean_accuracy", "accuracy"
        yield name, model, f"robust_accuracy/{epsilon_key(epsilon)}", "robust_accuracy_threat"
