"""Writing of the figures, with the mark of red checks of the validity gate above each."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import figure_file
from oncorobust.report.figures.style import stamp_mark, to_png, to_svg


def write_figures(figures: Sequence[Figure], *, mark: str) -> None:
    """Write Figures 1, 2 and so on as PNG and SVG, all of them or none; mark: of red checks, empty for none."""
    files = [figure_file(number, form) for number in range(1, len(figures) + 1) for form in ("png", "svg")]
    with whole_outputs(*files) as drafts:
        for figure, png, svg in zip(figures, drafts[::2], drafts[1::2], strict=True):
            png.write_bytes(to_png(stamp_mark(figure, mark)))
            svg.write_bytes(to_svg(figure))
