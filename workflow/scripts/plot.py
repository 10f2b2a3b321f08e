"""Draw the paper's Figures 1, 2 and 3 from metrics and adversarial examples."""

from oncorobust.pipeline.stage_log import open_log

open_log()  # before the import of matplotlib, which writes a cache

from oncorobust.base.files import whole_outputs
from oncorobust.base.layout import figure_file
from oncorobust.pipeline.stage import parse, run
from oncorobust.report.figures.accuracy_over_epsilon import figure_2
from oncorobust.report.figures.before_and_after import figure_3
from oncorobust.report.figures.examples import figure_1
from oncorobust.report.figures.plot_data import read_plot_data
from oncorobust.report.figures.style import to_png, to_svg
from oncorobust.report.tables.paper_numbers import load_paper_table
from oncorobust.settings.load import load_params


def main() -> None:
    """Read the results of all data sets, and write each figure as PNG and SVG."""
    parse()
    params = load_params()
    datasets = [read_plot_data(name, params.report, models=models) for name, models in params.models.items()]
    figures = [
        figure_1(datasets),
        figure_2(datasets, paper=load_paper_table("table1")),
        figure_3(datasets, table_epsilon=params.report.adversarial_training_epsilon),
    ]
    files = [figure_file(number, form) for number in (1, 2, 3) for form in ("png", "svg")]
    with whole_outputs(*files) as drafts:
        for figure, png, svg in zip(figures, drafts[::2], drafts[1::2], strict=True):
            png.write_bytes(to_png(figure))
            svg.write_bytes(to_svg(figure))


if __name__ == "__main__":
    run(main)
