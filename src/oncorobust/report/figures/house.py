"""The house style: sizes and fonts of all figures, and figures as bytes.

Figures are one or two columns of a journal page wide, and no text is smaller than 6 points. They are built without
pyplot: no global state, no display. The bytes depend on the data alone, because DVC compares them: no date, no name of
the program, fixed identifiers. A PDF holds its fonts as TrueType (Type 42), and an SVG its glyphs as paths.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

ONE_COLUMN_INCHES, WIDTH_INCHES = 3.43, 7.0
"""Width of one and of two columns of a journal page: 87 and 178 mm."""

SMALLEST_POINTS = 6.0
"""Size of the smallest text of a figure."""

DOTS_PER_INCH = 300
"""Of a PNG."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "oncorobust",
    "text.usetex": False,
    "text.parse_math": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Apply matplotlib's settings of all figures inside a block."""
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        yield


def empty_figure(reason: str) -> Figure:
    """Return a figure that says why it is empty."""
    with house_style():
        figure = Figure(figsize=(WIDTH_INCHES, 0.6))
        figure.text(0.5, 0.5, reason, ha="center", va="center")
        return settle(figure)


def settle(figure: Figure) -> Figure:
    """Lay out a finished figure once and fix the positions of its panels.

    Positions are rounded to a ten-thousandth of the figure, because the last bits of the layout solver's result depend
    on memory addresses, which would change the SVG file.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(float(one), 4) for one in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))
    return figure


def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG."""
    return _render(figure, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG."""
    return _render(figure, format="svg", metadata={"Date": None, "Creator": None})


def to_pdf(figure: Figure) -> bytes:
    """Return the figure as PDF."""
    return _render(figure, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


def _render(figure: Figure, **options: Any) -> bytes:
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, **options)
    return stream.getvalue()
