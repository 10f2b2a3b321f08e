"""What journals ask of figures: widths, sizes of text, embedded fonts, intervals, units, and colours."""

import contextlib
import io
import itertools
import re

import matplotlib.text
import numpy as np
import pytest
from PIL import Image
from results_fixture import DATASETS, write_results
from skimage.color import deltaE_ciede2000, rgb2lab

from oncorobust.base.layout import MODELS
from oncorobust.report.figures.accuracy_over_epsilon import curves_of_figure_2, figure_2
from oncorobust.report.figures.acquired import NORMS
from oncorobust.report.figures.before_and_after import curves_of_figure_3, figure_3
from oncorobust.report.figures.examples import figure_1
from oncorobust.report.figures.house import SMALLEST_POINTS, empty_figure, to_pdf, to_png
from oncorobust.report.figures.image_bounds import figure_6
from oncorobust.report.figures.minimal_epsilons import curves_of_figure_5, figure_5
from oncorobust.report.figures.natural_changes import curves_of_figure_8, figure_8, looks_of
from oncorobust.report.figures.plot_data import read_plot_data
from oncorobust.report.figures.selective_prediction import curves_of_figure_4, figure_4
from oncorobust.report.figures.trade_off import figure_7
from oncorobust.report.measures import STRICT, TRUE
from oncorobust.report.palette import PALETTE, VERMILLION
from oncorobust.report.tables.paper_numbers import load_paper_table
from oncorobust.settings.pipeline import Column, Report

REPORT = Report(
    columns={key: Column(title=one.title, paper=one.paper) for key, one in DATASETS.items()},
    adversarial_training_epsilon=0.002,
)
LIMIT = 12.0
"""CIEDE2000 between any two colours; 1 is just noticeable side by side."""

VISION = {
    "normal": np.eye(3),
    # Machado, Oliveira and Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1, on linear RGB.
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    write_results(root)
    with contextlib.chdir(root):
        return [
            read_plot_data(key, REPORT, models=MODELS, seed=0, certified=one.certified, rescanned=one.rescanned)
            for key, one in list(DATASETS.items())[:2]
        ]


@pytest.fixture(scope="module")
def figures(datasets):
    return [
        figure_1(datasets),
        figure_2(datasets, paper=load_paper_table("table1")),
        figure_3(datasets, table_epsilon=0.002),
        figure_4(datasets),
        figure_5(datasets),
        figure_6(datasets),
        figure_7(datasets, epsilon=0.002),
        figure_8(datasets),
        empty_figure("Empty."),
    ]


def seen(colour, matrix):
    """A colour of the palette in CIELAB, as a reader with some vision sees it."""
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    shown = np.clip(matrix @ linear, 0, 1)
    back = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None, None])[0, 0]


def distance(one, other, matrix):
    return float(deltaE_ciede2000(seen(one, matrix), seen(other, matrix)))


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_differ_for_readers_with_colour_blindness_too(vision):
    matrix = VISION[vision]
    assert seen("#FFFFFF", matrix) == pytest.approx([100, 0, 0], abs=0.1)
    pairs = itertools.combinations(PALETTE, 2)
    assert min((distance(*pair, matrix), *pair) for pair in pairs)[0] >= LIMIT


def test_the_simulation_finds_a_pair_that_looks_alike_to_some_readers():
    assert distance(VERMILLION, "#117733", VISION["normal"]) > 40
    assert distance(VERMILLION, "#117733", VISION["protanopia"]) < LIMIT


def test_curves_of_a_panel_differ_in_line_or_marker_and_use_the_palette(datasets):
    for data in datasets:
        ends = curves_of_figure_5(data)
        panels = [curves_of_figure_2(data), curves_of_figure_3(data, TRUE), curves_of_figure_3(data, STRICT)]
        panels += [curves_of_figure_8(one, norm, looks_of([data])) for one in data.acquired.values() for norm in NORMS]
        for curves in (*panels, curves_of_figure_4(data), [one for pair in ends for one in pair]):
            looks = [(one.line, one.marker, one.hollow) for one in curves]
            assert len(set(looks)) == len(looks) > 1
            assert {one.colour for one in curves} <= set(PALETTE)


def test_every_figure_is_two_columns_wide_with_text_of_at_least_six_points(figures):
    for figure in figures:
        assert 170 <= 25.4 * figure.get_figwidth() <= 180
        assert figure.get_figheight() * 25.4 <= 250
        sizes = {one.get_fontsize() for one in figure.findobj(matplotlib.text.Text) if one.get_text().strip()}
        assert min(sizes) >= SMALLEST_POINTS == 6


def test_a_pdf_embeds_its_fonts_as_truetype_and_a_png_has_300_dots_per_inch(figures):
    content = to_pdf(figures[1])
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
    assert float(box[0]) == pytest.approx(7.0 * 72)
    with Image.open(io.BytesIO(to_png(figures[-1]))) as image:
        assert image.width == 2100
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_every_curve_with_intervals_has_a_band(datasets, figures):
    drawn = [
        *zip(figures[1].axes, map(curves_of_figure_2, datasets), strict=True),
        *zip(figures[3].axes, map(curves_of_figure_4, datasets), strict=True),
        (figures[2].axes[2], curves_of_figure_3(datasets[0], STRICT)),
    ]
    for axes, curves in drawn:
        with_interval = [one for one in curves if one.low is not None]
        assert len(axes.collections) == len(with_interval) >= 6
        for band, curve in zip(axes.collections, with_interval, strict=True):
            vertices = band.get_paths()[0].vertices
            assert vertices[:, 1].min() == pytest.approx(np.nanmin(curve.low))
            assert vertices[:, 1].max() == pytest.approx(np.nanmax(curve.high))


def test_the_upper_axis_gives_epsilon_in_the_units_of_the_images(figures):
    lidc, mnist = figures[1].axes
    for axes, scale, unit in ((lidc, 1400.0, "HU"), (mnist, 255.0, "8-bit grey levels")):
        (upper,) = axes.child_axes
        assert upper.get_xlabel() == unit
        assert upper.get_xlim() == pytest.approx([scale * one for one in axes.get_xlim()])
    for figure, n in ((figures[2], 6), (figures[4], 2), (figures[5], 1), (figures[7], 2)):
        assert len([one for axes in figure.axes for one in axes.child_axes if one.get_xlabel()]) == n
