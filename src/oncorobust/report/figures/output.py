"""Writing of the figures and their points, with the mark of red checks of the validity gate above each figure."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import POINTS, figure_file
from oncorobust.base.schema.version import write_results
from oncorobust.report.figures.series import Points, points_to_json
from oncorobust.report.figures.style import stamp_mark, to_png, to_svg


def write_figures(figures: Sequence[Figure], points: Points, *, mark: str) -> None:
    """Write Figures 1, 2 and so on as PNG and SVG, and their points, all of them or none.

    mark: of red checks, empty for none.
    """
    files = [figure_file(number, form) for number in range(1, len(figures) + 1) for form in ("png", "svg")]
    with whole_outputs(*files, POINTS) as drafts:
        for figure, png, svg in zip(figures, drafts[:-1:2], drafts[1:-1:2], strict=True):
            png.write_bytes(to_png(stamp_mark(figure, mark)))
            svg.write_bytes(to_svg(figure))
        write_results(drafts[-1], points_to_json(points))
