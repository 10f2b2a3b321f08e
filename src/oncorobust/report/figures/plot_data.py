"""Read what the figures show: metrics, adversarial examples and the data set's summary.

The files of `reports/<data set>/<model>/` and `data/processed/<data set>/` become one `PlotData` a data set, checked:
examples with a missing array, or with class probabilities that do not fit the class names, are refused with the file's
name.
"""

from pathlib import Path

import numpy as np

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json
from oncorobust.report.figures.style import Examples, PlotData
from oncorobust.report.tables.common import ATTACKS, shown_as
from oncorobust.settings.pipeline import Report


def read_examples(path: str | Path) -> Examples:
    """Read examples.npz. Raises InputError where an array or an attack is missing."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError) as error:
        raise InputError(f"expected an npz file of arrays, got {error} in {path}") from error
    missing = set(Examples.__dataclass_fields__) - set(content)
    if missing:
        raise InputError(f"expected arrays {sorted(Examples.__dataclass_fields__)}, got no {sorted(missing)} in {path}")
    attacks = tuple(str(one) for one in content.pop("attacks"))
    if set(attacks) != set(ATTACKS):
        raise InputError(f"expected attacks {sorted(ATTACKS)}, got {sorted(attacks)} in {path}")
    names = set(Examples.__dataclass_fields__) - {"attacks", "epsilon"}
    return Examples(
        attacks=attacks, epsilon=float(content["epsilon"]), **{name: content[name] for name in sorted(names)}
    )


def read_plot_data(dataset: str, report: Report) -> PlotData:
    """Read one data set's metrics, clean-trained model's examples and summary from the work tree.

    Raises InputError where the examples' classes are not those of the summary.
    """
    summary = read_json(f"data/processed/{dataset}/summary.json")
    path = Path(f"reports/{dataset}/clean/examples.npz")
    examples, class_names = read_examples(path), tuple(summary["class_names"])
    if examples.probabilities.shape[-1] != len(class_names):
        raise InputError(
            f"expected probabilities of {len(class_names)} classes, got {examples.probabilities.shape[-1]} in {path}"
        )
    low, high = summary["intensity_range"]
    return PlotData(
        key=dataset,
        title=shown_as(dataset, report).title,
        synthetic=summary["synthetic"],
        paper=shown_as(dataset, report).paper,
        class_names=class_names,
        intensity_range=(low, high),
        intensity_unit=summary["intensity_unit"],
        attack={model: read_json(f"reports/{dataset}/{model}/attack.json") for model in ("clean", "adversarial")},
        examples=examples,
    )
