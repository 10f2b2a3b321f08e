"""Figure 1 of the paper: clean images and their adversarial counterparts, with the model's predictions.

Each row shows one image: clean, then under FGSM, PGD and BIM, each followed by its difference from the clean image.
Below an image stand the predicted class and its probability, bold with a cross where the prediction differs from that
of the clean image. Differences are magnified about middle grey so that plus or minus epsilon spans the scale:

    shown = 0.5 + (adversarial - clean) / (2 epsilon)

The rows are stored examples of the clean model: two per data set, of different classes, where there are at most two
data sets, else one per data set. Images that are classified correctly without attack and misclassified under PGD come
first.

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Figure 1.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from oncorobust.base.arrays import Image
from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.figures.house import WIDTH_INCHES, house_style, settle
from oncorobust.report.figures.style import Examples, PlotData, intensity_axis
from oncorobust.report.shown_attacks import ATTACKS, PGD
from oncorobust.report.tables.render import SYNTHETIC

_CHANGED = "#A33B00"
"""A vermillion dark enough for text."""

_CAPTION_LETTERS = 22
"""That fit on a line below an image; a caption has at most two lines."""

_ROW_INCHES = 1.55

_WIDTHS = [1.0, *[1.0, 0.42] * len(ATTACKS)]


def figure_1(datasets: Sequence[PlotData]) -> Figure:
    """Return Figure 1, one block of rows per data set."""
    per_dataset = 2 if len(datasets) <= 2 else 1
    rows = [(data, one) for data in datasets for one in choose_examples(data.examples, count=per_dataset)]
    with house_style():
        engine = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.02)
        figure = Figure(figsize=(WIDTH_INCHES, _ROW_INCHES * len(rows) + 0.2), layout=engine)
        panels = figure.subplots(len(rows), len(_WIDTHS), squeeze=False, width_ratios=_WIDTHS)
        for axes in panels.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, title in zip(panels[0, [0, 1, 3, 5]], ["clean", *(one.title for one in ATTACKS)], strict=True):
            axes.set_title(title, fontweight="bold")
        for axes, (data, one) in zip(panels.tolist(), rows, strict=True):
            _example_row(axes, data, one)
        return settle(figure)


def choose_examples(examples: Examples, *, count: int) -> list[int]:
    """Return positions of at most `count` examples: different labels first, among them those that PGD turns wrong."""
    pgd = examples.attacks.index(PGD.name)
    right = examples.probabilities_clean.argmax(axis=1) == examples.labels
    turned = right & (examples.probabilities[pgd].argmax(axis=1) != examples.labels)
    order = sorted(range(len(examples.labels)), key=lambda one: (not turned[one], not right[one], one))
    first_of_label = {int(examples.labels[one]): one for one in reversed(order)}
    leading = [one for one in order if one in first_of_label.values()]
    return [*leading, *(one for one in order if one not in leading)][:count]


def _example_row(panels: Sequence[Axes], data: PlotData, one: int) -> None:
    examples = data.examples
    before = int(examples.probabilities_clean[one].argmax())
    _show(panels[0], examples.images[one])
    _write_prediction(panels[0], data, examples.probabilities_clean[one], before)
    panels[0].set_ylabel(_row_label(data, one), labelpad=5)
    for position, attack in enumerate(ATTACKS):
        image, difference = panels[1 + 2 * position], panels[2 + 2 * position]
        stored = examples.attacks.index(attack.name)
        _show(image, examples.adversarial[stored, one])
        _write_prediction(image, data, examples.probabilities[stored, one], before)
        _show(difference, magnify(examples.adversarial[stored, one] - examples.images[one], epsilon=examples.epsilon))
        difference.set_xlabel(f"× {0.5 / examples.epsilon:.3g}", fontsize=6, color="0.35", labelpad=2)
    if data.synthetic:
        behind = {"facecolor": "black", "edgecolor": "none", "pad": 1.2, "alpha": 0.75}
        panels[0].text(0.03, 0.03, SYNTHETIC, transform=panels[0].transAxes, fontsize=6, color="white", bbox=behind)


def magnify(difference: Float[np.ndarray, "h w c"], *, epsilon: float) -> Float[np.ndarray, "h w c"]:
    """Return a difference in [-epsilon, epsilon] as an image in [0, 1] about middle grey."""
    return np.clip(0.5 + difference / (2 * epsilon), 0, 1)


def _row_label(data: PlotData, one: int) -> str:
    epsilon = data.examples.epsilon
    scale, name = intensity_axis(data)
    label = data.class_names[int(data.examples.labels[one])]
    in_units = f"{epsilon * scale:.3g} {name.removeprefix('8-bit ')}"
    return f"{data.title}\nlabel: {label}\nepsilon {epsilon_text(epsilon)}\n({in_units})"


def _write_prediction(axes: Axes, data: PlotData, probabilities: Float[np.ndarray, " classes"], before: int) -> None:
    predicted = int(probabilities.argmax())
    changed = predicted != before
    text = f"{'✗ ' if changed else ''}{data.class_names[predicted]}: {100 * probabilities[predicted]:.0f}\u00a0%"
    axes.set_xlabel(
        "\n".join(textwrap.wrap(text, width=_CAPTION_LETTERS, max_lines=2, placeholder=" …")),
        color=_CHANGED if changed else "black",
        fontweight="bold" if changed else "normal",
        labelpad=2.5,
    )


def _show(axes: Axes, image: Image) -> None:
    # unclipped: matplotlib names an image's clip path in an SVG file by its address in memory
    axes.imshow(image, vmin=0, vmax=1, interpolation="nearest", clip_on=False)
