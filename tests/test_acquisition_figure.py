"""Figure 8: its points are counted from rows by hand, stand at the sizes of Table A, and are drawn where they stand."""

import contextlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from acquisition_rows_fixture import CHANGES
from matplotlib.colors import to_hex
from results_fixture import DATASETS, params_content, write_results

from oncorobust.base.schema.version import read_results
from oncorobust.report.figures.acquired import NORMS, acquired_of
from oncorobust.report.figures.charts import charts_to_json
from oncorobust.report.figures.house import to_svg
from oncorobust.report.figures.natural_changes import curves_of_figure_8, figure_8, looks_of
from oncorobust.report.figures.plot_data import read_all_plot_data
from oncorobust.report.palette import BLACK, GREY
from oncorobust.settings.load import parse_params

ONE = {"lidc": DATASETS["lidc"]}
MODELS = ("clean", "adversarial")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("figure8")
    write_results(root, ONE)
    return root


@pytest.fixture(scope="module")
def data(root):
    with contextlib.chdir(root):
        (found,) = read_all_plot_data(parse_params(params_content(ONE)))
    return found


def rows_of(root, model):
    return pd.read_csv(root / f"reports/lidc/{model}/acquisition.csv")


@pytest.mark.parametrize("model", MODELS)
def test_each_change_stands_at_its_median_size_with_its_accuracy(root, data, model):
    frame = rows_of(root, model)
    assert [one.name for one in data.acquired[model].changes] == list(CHANGES)
    for change in data.acquired[model].changes:
        assert change.severities == tuple(sorted(CHANGES[change.name][2]))
        for at, severity in enumerate(change.severities):
            part = frame[(frame["change"] == change.name) & (frame["severity"] == severity)]
            assert change.accuracy.value[at] == pytest.approx(100 * (part["changed_predicted"] == part["label"]).mean())
            assert change.accuracy.low[at] <= change.accuracy.value[at] <= change.accuracy.high[at]
            for norm in NORMS:
                assert change.sizes[norm][at] == pytest.approx(np.median(part[norm]))
                noisy = part[f"noise_{norm}_predicted"] == part["label"]
                assert change.noise[norm].value[at] == pytest.approx(100 * noisy.mean())


@pytest.mark.parametrize("model", MODELS)
def test_the_attacks_fall_at_the_minimal_perturbation_of_each_right_image(root, data, model):
    last = read_results(root / f"reports/lidc/{model}/attack.json")["strict"]["attacks"][-1]
    intervals = pd.read_csv(root / f"reports/lidc/{model}/intervals.csv")
    intervals = intervals[intervals["attack"] == last]
    images = rows_of(root, model).drop_duplicates("image_id")
    for norm, frame, column in (("l_inf", intervals, "first_flipped"), ("l2", images, "minimal_l2")):
        least = frame[column].fillna(np.inf).to_numpy()
        right = (frame["label"] == frame["predicted"]).to_numpy()
        curve = data.acquired[model].attacks[norm]
        steps = np.unique(least[right & np.isfinite(least)])
        assert curve.sizes.tolist() == [steps[0] / 2, *steps]
        expected = [100 * (right & (least > size)).mean() for size in curve.sizes]
        assert curve.accuracy.value == pytest.approx(expected)
        assert curve.accuracy.value[0] == pytest.approx(100 * right.mean())
        assert (np.diff(curve.accuracy.value) < 0).all()


def test_an_image_without_a_minimal_distance_withstands_every_attack(data):
    attack = data.acquired["clean"].attacks["l2"]
    assert attack.accuracy.value[-1] > 0, "the search in l2 found nothing for three images"


def test_a_row_of_panels_for_each_model_and_a_panel_for_each_norm(data):
    figure = figure_8([data])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        *2 * ["LIDC (n = 40)\nclean model"],
        *2 * ["LIDC (n = 40)\nadversarially trained model"],
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == 2 * ["l_inf size (epsilon)", "l2 size"]
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    for first, second in zip(figure.axes[:2], figure.axes[2:], strict=True):
        assert first.get_xlim() == second.get_xlim()
    for axes, (model, norm) in zip(figure.axes, [(model, norm) for model in MODELS for norm in NORMS], strict=True):
        curves = curves_of_figure_8(data.acquired[model], norm, looks_of([data]))
        assert [one.title for one in curves[1:]] == ["noise of equal size", *(one[0] for one in CHANGES.values())]
        low, high = axes.get_xlim()
        for line, curve in zip(axes.get_lines(), curves, strict=True):
            assert to_hex(line.get_color(), keep_alpha=False).upper() == curve.colour
            assert line.get_xdata().tolist() == curve.x.tolist()
            assert line.get_ydata().tolist() == curve.y.tolist()
            assert low < min(curve.x) <= max(curve.x) < high
        assert [one.colour for one in curves[:2]] == [BLACK, GREY]
        (band,) = axes.collections  # of the attack; those of the changes would hide each other
        assert np.nanmax(band.get_paths()[0].vertices[:, 1]) == pytest.approx(np.nanmax(curves[0].high))
    assert to_svg(figure) == to_svg(figure_8([data]))


def test_models_stand_side_by_side_where_data_sets_are_many(data):
    one_model = replace(data, key="third", acquired={"clean": data.acquired["clean"]})
    figure = figure_8([data, replace(data, key="second"), one_model])
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(one.rowspan.start, one.colspan.start) for one in places] == [
        *((row, column) for row in (0, 1) for column in range(4)),
        *((2, 0), (2, 1)),
    ]
    assert figure.get_figheight() * 25.4 <= 250


def test_a_change_of_size_0_has_no_place_on_the_axis(root, data):
    content = read_results(root / "reports/lidc/clean/acquisition.json")
    content["changes"]["jpeg"]["levels"]["level_1"]["median_l_inf"] = 0.0
    rows = {
        f"reports/lidc/clean/{name}": pd.read_csv(root / f"reports/lidc/clean/{name}")
        for name in ("acquisition.csv", "intervals.csv")
    }
    found = acquired_of("lidc", "clean", content, data.attack["clean"], rows, seed=0)
    (l_inf, l2) = (curves_of_figure_8(found, norm, looks_of([data]))[-1] for norm in NORMS)
    assert (len(l_inf.x), len(l2.x)) == (2, 3)


def test_without_changes_the_figure_says_why_it_is_empty(data):
    bare = replace(data, acquired={"clean": replace(data.acquired["clean"], changes=())})
    for empty in (figure_8([]), figure_8([bare]), figure_8([replace(data, acquired={})])):
        assert empty.texts[0].get_text().startswith("Empty, because no data set has changes of the acquisition")


def test_a_model_that_no_attack_flips_has_no_curve_of_it(root, data):
    rows = {"reports/lidc/clean/acquisition.csv": rows_of(root, "clean").assign(minimal_l2=np.nan)}
    content = read_results(root / "reports/lidc/clean/acquisition.json")
    without_strict = {key: one for key, one in data.attack["clean"].items() if key != "strict"}
    found = acquired_of("lidc", "clean", content, without_strict, rows, seed=0)
    assert found.attacks == {}
    first, *_ = curves_of_figure_8(found, "l2", looks_of([data]))
    assert first.title == "noise of equal size"


def test_the_charts_have_logarithmic_axes_and_increasing_sizes(data):
    panels = charts_to_json([data])["figures"]["8"]
    assert [one["title"] for one in panels] == [
        f"LIDC (n = 40), {model}, {norm}" for model in ("clean model", "adversarially trained model") for norm in NORMS
    ]
    assert panels[0]["x"] == {"label": "l_inf size (epsilon)", "unit": "HU", "scale": 1400.0, "log": True}
    assert panels[1]["x"] == {"label": "l2 size", "unit": None, "scale": None, "log": True}
    for panel in panels:
        for curve in panel["curves"]:
            assert len(curve["x"]) == len(curve["y"]) == len(curve["low"]) == len(curve["high"])
            assert curve["x"] == sorted(set(curve["x"])), "a chart needs increasing x"
            assert min(curve["x"]) > 0
    shift = next(one for one in panels[0]["curves"] if one["title"] == CHANGES["hu_shift"][0])
    drawn = next(one for one in data.acquired["clean"].changes if one.name == "hu_shift")
    by_size = sorted(zip(drawn.sizes["l_inf"], drawn.accuracy.value, strict=True))
    assert shift["y"] == pytest.approx([y for _, y in by_size], abs=1e-4)
