"""Writing of the figures, with the mark of red checks above each, of their curves and of their points."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import CURVES, FIGURE_FORMS, POINTS, figure_file
from oncorobust.base.schema.version import write_results
from oncorobust.report.figures.house import to_pdf, to_png, to_svg
from oncorobust.report.figures.series import Points, points_to_json
from oncorobust.report.figures.style import stamp_mark

_BYTES_OF = {"png": to_png, "svg": to_svg, "pdf": to_pdf}


def write_figures(figures: Sequence[Figure], curves: Mapping[str, Any], points: Points, *, mark: str) -> None:
    """Write Figures 1, 2 and so on in each form, curves.json and points.json, all of them or none.

    mark: of red checks, empty for none.
    """
    numbered = [(number, form) for number in range(1, len(figures) + 1) for form in FIGURE_FORMS]
    marked = [stamp_mark(figure, mark) for figure in figures]
    with whole_outputs(*(figure_file(number, form) for number, form in numbered), CURVES, POINTS) as drafts:
        write_results(drafts[-1], points_to_json(points))
        write_results(drafts[-2], curves)
        for draft, (number, form) in zip(drafts[:-2], numbered, strict=True):
            draft.write_bytes(_BYTES_OF[form](marked[number - 1]))
