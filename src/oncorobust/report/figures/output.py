"""Writing of the figures in each form, with the mark of red checks of the validity gate above each."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import FIGURE_FORMS, figure_file
from oncorobust.report.figures.house import to_pdf, to_png, to_svg
from oncorobust.report.figures.style import stamp_mark

_BYTES_OF = {"png": to_png, "svg": to_svg, "pdf": to_pdf}


def write_figures(figures: Sequence[Figure], *, mark: str) -> None:
    """Write Figures 1, 2 and so on in each form, all of them or none; mark: of red checks, empty for none."""
    numbered = [(number, form) for number in range(1, len(figures) + 1) for form in FIGURE_FORMS]
    marked = [stamp_mark(figure, mark) for figure in figures]
    with whole_outputs(*(figure_file(number, form) for number, form in numbered)) as drafts:
        for draft, (number, form) in zip(drafts, numbered, strict=True):
            draft.write_bytes(_BYTES_OF[form](marked[number - 1]))
