"""The figures of a run: the stage `plot`."""

from oncorobust.pipeline.gates import judge_run, read_certificates
from oncorobust.report.figures.accuracy_over_epsilon import figure_2
from oncorobust.report.figures.before_and_after import figure_3
from oncorobust.report.figures.charts import charts_to_json
from oncorobust.report.figures.examples import figure_1
from oncorobust.report.figures.image_bounds import figure_6
from oncorobust.report.figures.minimal_epsilons import figure_5
from oncorobust.report.figures.natural_changes import figure_8
from oncorobust.report.figures.output import write_figures
from oncorobust.report.figures.plot_data import read_all_plot_data
from oncorobust.report.figures.points import figure_points, with_values
from oncorobust.report.figures.selective_prediction import figure_4
from oncorobust.report.figures.series import row_files
from oncorobust.report.figures.trade_off import figure_7
from oncorobust.report.tables.paper_numbers import load_paper_table
from oncorobust.report.tables.row_statistics import read_rows
from oncorobust.report.tables.validity import watermark
from oncorobust.settings.pipeline import Params


def plot(params: Params) -> None:
    """Read the results of all data sets, and write each figure as PNG, SVG and PDF, their curves and all points.

    Raises InputError naming a file that is missing or unreadable.
    """
    datasets, epsilon = read_all_plot_data(params), params.report.adversarial_training_epsilon
    figures = [
        figure_1(datasets),
        figure_2(datasets, paper=load_paper_table("table1")),
        figure_3(datasets, table_epsilon=epsilon),
        figure_4(datasets),
        figure_5(datasets),
        figure_6(datasets),
        figure_7(datasets, epsilon=epsilon),
        figure_8(datasets),
    ]
    points = figure_points(datasets, epsilon=epsilon)
    rows = {file: read_rows(file) for file in row_files(one for one in points.series if not one.values)}
    valued = with_values(points, datasets, rows, seed=params.seed)
    mark = watermark(judge_run(params, read_certificates(params)))
    write_figures(figures, charts_to_json(datasets), valued, mark=mark)
