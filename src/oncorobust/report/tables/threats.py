"""Table T: accuracy under each threat model that an imaging chain allows, before and after adversarial training.

A threat model says what an attack may change beyond the size of the change: one channel or all alike, the lesion or
what surrounds it, only what a file of a bit depth keeps. For each threat and epsilon, over the images that have it,

    without attack    share with clean prediction = label
    under attack      share with clean prediction = label that the attack does not change within epsilon

Threats differ between data sets (colour images have no `tied`, only images with a lesion box have `lesion`), and so do
epsilons; the two models of a data set were attacked on the same images at the same epsilons. Rows are grouped by
epsilon, because threats are compared at equal size. Where nothing was run the table has no rows and its caption says
so, because the files of a pipeline are named before it runs. Source of the rows: `oncorobust.evaluation.threats`.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, get_args

from oncorobust.base.epsilons import epsilon_from_key, epsilon_key
from oncorobust.base.errors import InputError
from oncorobust.report.tables.cell import Cell, Field, Statistic, Table, epsilon_text
from oncorobust.report.tables.common import table_columns
from oncorobust.report.tables.sources import Metrics, results_file, sourced_cell, threat_source
from oncorobust.settings.attacks import ThreatName
from oncorobust.settings.pipeline import Report

_STORED = "as tied, rounded to as many bits and still adversarial, within epsilon and half a grey level"
_MEANINGS: dict[ThreatName, str] = {
    "full": "every channel of every pixel on its own, as in the paper",
    "tied": "all channels of a grey image alike",
    "lesion": "as tied, but only inside the lesion's box",
    "background": "as tied, but only outside the lesion's box",
    "stored_8": _STORED,
    "stored_12": _STORED,
    "stored_16": _STORED,
    "noise": "as tied, but random: no search, the baseline by chance",
}
_CAPTION = (
    "Accuracy (%) under threat models that an imaging chain allows, by epsilon (l_inf radius in [0, 1] pixel units): "
    "share of the images whose clean answer is right and that PGD, alone and not as one of the cascade, does not "
    "change. Threats: {meanings}. On colour images, which have no tied, the channels move apart. Images: those that "
    "have the threat; both accuracies are over them."
)
_MISSING = (
    "Not made, because no threat models were run: they need the strict protocol (attacks.protocols in params.yaml) and "
    "attacks.strict.threats."
)
_MODELS = (
    ("clean", "original", "clean-trained (original)"),
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


def table_t(attack: Metrics, *, report: Report) -> Table:
    """Table T from the metrics of `attack`.

    Raises InputError where the models of a data set were attacked under other threats, epsilons or numbers of images.
    """
    places = {dataset: _places(dataset, models) for dataset, models in attack.items()}
    rows = _in_order(place for found in places.values() for place in found)
    return Table(
        name="Table T",
        file="reports/tables/threats.csv",
        caption=_CAPTION.format(meanings=_meanings({threat for _, threat in rows})) if rows else _MISSING,
        row_heads=("Threat", "Epsilon"),
        rows=tuple(_row_key(*place) for place in rows),
        data_sets="blocks",
        columns=table_columns(attack, report),
        fields=_FIELDS,
        cells=tuple(cell for dataset, found in places.items() for cell in _cells(attack, dataset, found)),
    )


def _meanings(held: set[str]) -> str:
    """What each threat is, one clause for those that differ in their bits only."""
    clauses = groupby((threat for threat in _MEANINGS if threat in held), key=_MEANINGS.__getitem__)
    return "; ".join(f"{', '.join(threats)} ({text})" for text, threats in clauses)


def _places(dataset: str, models: Mapping[str, Mapping[str, Any]]) -> list[tuple[float, str]]:
    """Epsilons and threats of a data set; none where no threat models were run."""
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
            raise InputError(f"expected images and epsilons by threat {expected} as in {first}, got {found} in {file}")
    return _in_order((epsilon, threat) for threat, (_, epsilons) in expected.items() for epsilon in epsilons)


def _in_order(places: Iterable[tuple[float, str]]) -> list[tuple[float, str]]:
    """Each place once, by epsilon and then in the order of the threats' definition."""
    order = get_args(ThreatName)
    return sorted(set(places), key=lambda place: (place[0], order.index(place[1])))


def _row_key(epsilon: float, threat: str) -> str:
    return f"{threat}:{epsilon_text(epsilon)}"


def _cells(attack: Metrics, dataset: str, places: Iterable[tuple[float, str]]) -> Iterator[Cell]:
    for epsilon, threat in places:
        for field, model, metric, statistic in _measured(epsilon):
            source = threat_source(dataset, model, threat=threat, epsilon=epsilon, metric=metric, statistic=statistic)
            row = _row_key(epsilon, threat)
            yield sourced_cell(attack, source, table="Table T", row=row, dataset=dataset, field=field)


def _measured(epsilon: float) -> Iterator[tuple[str, str, str, Statistic]]:
    """Field, model, path below the threat in attack.json, and statistic of threats.csv."""
    yield "n_images", "clean", "n_images", "n_images"
    for model, name, _ in _MODELS:
        yield f"{name}_clean", model, "clean_accuracy", "accuracy"
        yield name, model, f"robust_accuracy/{epsilon_key(epsilon)}", "robust_accuracy_threat"
