"""`oncorobust assess`: outside a repository, the same numbers as the pipeline's, resumed, and refused where unfit."""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.base.progress import Stopped
from oncorobust.cli.main import main
from oncorobust.evaluation.validity import Check
from oncorobust.pipeline import assessment
from oncorobust.pipeline.assessment_record import check_folder, check_request, record_of, text_of_test_set
from oncorobust.pipeline.assessment_settings import Request, params_content
from oncorobust.pipeline.raw_tree import look
from oncorobust.report.assessment_text import summary_lines
from oncorobust.report.tables.cell import Cell, Field, Interval, Table, TableColumn
from oncorobust.report.tables.validity import Gate
from oncorobust.settings.load import parse_params
from oncorobust.settings.own_models import Onnx, TorchExport

REPOSITORY = Path(__file__).resolve().parent.parent
EPSILONS = (0.01, 0.05)
STAGES = ("preprocess", "train", "attack", "rank", "validate", "tabulate", "plot", "exchange", "report")
OF_ONE_MODEL = ("attack", "rank", "validate")
EXTRA = ("dvc", "filelock", "psutil", "ruamel", "snakemake")


def write_images(folder: Path, *, split: bool) -> Path:
    """Write synthetic images, bright in the middle where malignant, two a patient, and their list; return it."""
    rng, rows = np.random.default_rng(0), []
    (folder / "files").mkdir(parents=True)
    (folder / "SYNTHETIC.txt").touch()
    for number in range(48):
        bright = number // 2 % 2
        pixels = rng.normal(100, 20, (16, 16))
        pixels[5:11, 5:11] += 25 * bright
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "files" / f"{number}.png")
        label = ("benign", "malignant")[bright if number % 7 else 1 - bright]
        of_split = "validation" if number < 16 else "test"
        rows.append([f"i{number}", f"files/{number}.png", label, f"p{number // 2}", of_split])
    names = ["image_id", "path", "label", "patient_id", "split"]
    frame = pd.DataFrame(rows, columns=names)
    (frame if split else frame.drop(columns="split")).to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def write_model(path: Path, *, classes: int = 2, epochs: int = 15) -> Path:
    """Train a small network for a second on images of the same kind, and write it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    x, y = rng.normal(100, 20, (300, 16, 16, 1)), rng.integers(0, 2, 300)
    x[y == 1, 5:11, 5:11] += 25
    x = (x.clip(0, 255) / 255).astype(np.float32)
    ends = [keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(classes, activation="softmax")]
    model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(4, 3, activation="relu"), *ends])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    if epochs:
        model.fit(x, y, epochs=epochs, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return path


def request_of(model: Path, manifest: Path) -> Request:
    return Request(
        model=model,
        manifest=manifest,
        title="Slices",
        classes=None,
        input_range=(0.0, 1.0),
        size=None,
        fit="crop",
        intensity_range="format",
        max_images=16,
        epsilons=EPSILONS,
        positive=None,
        allow_chance=False,
        seed=0,
        threads=1,
    )


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder: model.keras, and images with their list."""
    folder = tmp_path_factory.mktemp("person")
    write_model(folder / "model.keras")
    write_images(folder / "slices", split=True)
    return folder


def test_a_network_of_pytorch_is_named_with_its_normalisation(tmp_path: Path) -> None:
    asked = replace(
        request_of(tmp_path / "net.pt2", tmp_path / "list.csv"), size=16, mean=(0.4,), std=(0.2,), channels="bgr"
    )
    model = parse_params(params_content(asked, size=16, has_split=True)).datasets["images"].model
    assert isinstance(model, TorchExport)
    assert (model.preprocessing.mean, model.preprocessing.std, model.preprocessing.channels) == ((0.4,), (0.2,), "bgr")
    asked = replace(asked, model=tmp_path / "net.onnx")
    found = parse_params(params_content(asked, size=16, has_split=True)).datasets["images"].model
    assert isinstance(found, Onnx)
    assert not found.fine_tune


def detached(folder: Path) -> dict[str, str]:
    """An environment without a repository: the package alone, no command but Python, no package of the extras."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({EXTRA}))\n")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("GIT")}
    return kept | {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{folder}", "PATH": str(folder / "nothing")}


def command() -> list[str]:
    words = "--model model.keras --manifest slices/list.csv --out found --max-images 16 --threads 1 --title Slices"
    return [sys.executable, "-m", "oncorobust.cli.main", "assess", *words.split(), "--epsilons", *map(str, EPSILONS)]


@pytest.fixture(scope="module")
def assessed(person: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of an assessment that was interrupted in its attacks and resumed, and what both processes told."""
    place, before = {"cwd": person, "env": detached(tmp_path_factory.mktemp("alone"))}, contents(person)
    with subprocess.Popen(command(), **place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        while "attacks" not in (line := one.stderr.readline()):
            assert line.startswith("assess: "), line + one.stderr.read()
        one.send_signal(signal.SIGINT)
        told = one.communicate()[1]
    assert (one.returncode, told) == (
        143,
        "assess: interrupted. Rerun the same command to resume from the last save.\n",
    )
    done = subprocess.run(command(), **place, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert {name: one for name, one in contents(person).items() if not name.startswith("found/")} == before
    return person / "found", done.stdout, done.stderr


@pytest.fixture(scope="module")
def piped(assessed: tuple[Path, str, str], person: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's root with the parameters of the assessment, its model and images, run by the stages' scripts."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copy(assessed[0] / "params.yaml", root)
    (root / "own").mkdir()
    shutil.copy(person / "model.keras", root / "own")
    shutil.copytree(person / "slices", root / "data" / "raw" / "images")
    shutil.copytree(REPOSITORY / "workflow" / "code", root / "workflow" / "code")
    for stage in STAGES:
        of = [] if stage in ("tabulate", "plot", "exchange", "report") else ["--dataset", "images"]
        of += ["--model", "clean"] if stage in OF_ONE_MODEL else []
        script = REPOSITORY / "workflow" / "scripts" / f"{stage}.py"
        done = subprocess.run([sys.executable, str(script), *of], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {one.relative_to(root).as_posix(): one.read_bytes() for one in sorted(root.rglob("*")) if one.is_file()}


def results(root: Path) -> dict[str, bytes]:
    return {
        name: one
        for name, one in contents(root).items()
        if name.startswith(("reports/", "data/processed/", "models/")) and not name.endswith(".html")
    }


@pytest.mark.slow
def test_every_number_is_that_of_the_pipeline_byte_for_byte(assessed: tuple[Path, str, str], piped: Path) -> None:
    ours, theirs = results(assessed[0]), results(piped)
    assert {f"reports/images/clean/{name}.csv" for name in ("predictions", "intervals", "scores")} < ours.keys()
    assert {"reports/tables/cells.json", "reports/tables/table1.csv", "reports/metrics.json"} < ours.keys()
    assert {"reports/results.json", "reports/citations.bib", "reports/tables/tables.xlsx"} < ours.keys()
    assert {"reports/tables/table1.tex", *(f"reports/cards/images-clean.{form}" for form in ("md", "cdx.json"))} < (
        ours.keys()
    )
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def without_origin(page: str) -> str:
    """A page without what differs: commands of a repository, or the record of an assessment."""
    page = re.sub(r'<p class="soft">Trace a cell to its inputs: .*?</p>\n', "", page)
    page = re.sub(r"<br>(Trace: )?<code>oncorobust trace .*?</code>", "", page)
    page = re.sub(r'<dialog id="trace-dialog".*?</script>\n', "", page, flags=re.DOTALL)
    page = re.sub(r"<dt>(Commit|Code)</dt><dd>.*?</dd>\n", "", page)
    page = re.sub(r'<section id="(trace|record)">.*?</section>\n', "", page, flags=re.DOTALL)
    return re.sub(r'<li><a href="#(trace|record)">.*?</li>', "", page)


@pytest.mark.slow
def test_the_page_differs_in_its_record_alone(assessed: tuple[Path, str, str], piped: Path) -> None:
    ours, theirs = ((root / "reports/index.html").read_text(encoding="utf-8") for root in (assessed[0], piped))
    assert without_origin(ours) == without_origin(theirs)
    for word in ("oncorobust trace", "snakemake", "dvc repro", "workflow/scripts"):
        assert word in theirs
        assert word not in ours
    record = json.loads((assessed[0] / "assessment.json").read_text(encoding="utf-8"))
    for text in (record["model"]["sha256"], record["manifest"]["sha256"], record["test_images"]):
        assert text in html.unescape(ours)


@pytest.mark.slow
def test_the_summary_is_that_of_the_rows(assessed: tuple[Path, str, str]) -> None:
    root, told, _ = assessed
    rows = pd.read_csv(root / "reports/images/clean/predictions.csv")
    right = (rows["label"] == rows["predicted"]).mean()
    lines = told.splitlines()
    assert lines[:2] == ["SYNTHETIC images: the numbers have no medical meaning", "Classes: 0 benign, 1 malignant"]
    assert lines[2] == "Images: 16 of 32 test images; 95 % intervals over patients"
    assert lines[3].startswith(f"Clean accuracy: {100 * right:.0f}\u00a0% (")
    found = pd.read_csv(root / "reports/images/clean/intervals.csv")
    found = found[found["attack"] == found["attack"].iloc[-1]]
    for line, epsilon in zip(lines[4:6], EPSILONS, strict=True):
        robust = ((found["label"] == found["predicted"]) & (found["first_flipped"] > epsilon)).mean()
        assert line.startswith(f"Robust accuracy at epsilon {epsilon} ({255 * epsilon:.3g} 8-bit grey levels): ")
        assert f": {100 * robust:.0f}\u00a0% (" in line
    assert lines[6].startswith("Median minimal epsilon of the images that are right without attack: 0.")
    assert lines[7].startswith("Validity: ")
    assert lines[8:] == [f"Page: {root / 'reports/index.html'}"]


@pytest.mark.slow
def test_a_resumed_assessment_begins_with_the_interrupted_stage(assessed: tuple[Path, str, str]) -> None:
    assert assessed[2].splitlines() == [
        f"assess: {told} ({number} of 9)"
        for number, told in enumerate(
            (
                *("attacks", "ranking and scores", "validity", "tables", "figures"),
                *("files for other programs", "page"),
            ),
            3,
        )
    ]
    validation = pd.read_csv(assessed[0] / "reports/images/clean/scores.csv")["split"].value_counts()
    assert validation.to_dict() == {"test": 16, "validation": 16}


@pytest.mark.slow
def test_a_finished_assessment_only_tells_its_summary_and_other_settings_are_refused(
    assessed: tuple[Path, str, str], person: Path, tmp_path: Path
) -> None:
    place = {"cwd": person, "env": detached(tmp_path), "text": True, "capture_output": True}
    again = subprocess.run(command(), **place)
    assert (again.returncode, again.stdout, again.stderr) == (0, assessed[1], "")
    other = subprocess.run([*command(), "--seed", "7"], **place)
    assert (other.returncode, other.stdout) == (1, "")
    assert f"error: --out: {assessed[0]} holds an assessment with seed 0, got 7: repeat its command to" in other.stderr


def stand_in(name: str, outputs: tuple[str, ...], ran: list[str]) -> object:
    """A stage that only writes its outputs; rank is interrupted when it runs for the first time."""

    def run() -> None:
        ran.append(name)
        if name == "rank" and ran.count("rank") == 1:
            raise Stopped
        for file in outputs:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).touch()

    return run


@pytest.fixture
def toy(person: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Request, list[str]]:
    """An assessment whose stages are stand-ins, in an empty current folder; the list names those that ran."""
    ran: list[str] = []
    real = assessment._stages
    shutil.copytree(person / "slices", tmp_path / "slices")
    (tmp_path / "found").mkdir()
    monkeypatch.chdir(tmp_path / "found")
    monkeypatch.setattr(
        assessment,
        "_stages",
        lambda *of: [replace(one, run=stand_in(one.name, tuple(one.outputs), ran)) for one in real(*of)],
    )
    monkeypatch.setattr(assessment, "_summary", lambda _: ["told"])
    monkeypatch.setattr(assessment, "edits", lambda *_: [])
    monkeypatch.setattr(assessment, "prepare", lambda **_: keras.backend.backend())
    return request_of(person / "model.keras", tmp_path / "slices" / "list.csv"), ran


def test_stages_that_have_ended_do_not_run_again(toy: tuple[Request, list[str]]) -> None:
    request, ran = toy
    with pytest.raises(Stopped):
        assessment.assess(request, check_request(request))
    assert ran == [*STAGES[:4]]
    assert json.loads(Path("assessment.json").read_text())["stages"] == [*STAGES[:3]]
    assert assessment.assess(request, check_request(request)) == ["told"]
    assert ran == [*STAGES[:4], *STAGES[3:]]
    Path("reports/images/clean/validity.json").unlink()
    assessment.assess(request, check_request(request))
    assert ran[len(STAGES) + 1 :] == [*STAGES[4:]]  # from the lost file on


def test_changed_images_models_and_settings_are_refused(toy: tuple[Request, list[str]], monkeypatch) -> None:
    request, _ = toy
    listed = check_request(request)
    with pytest.raises(Stopped):
        assessment.assess(request, listed)
    here = re.escape(str(Path.cwd()))
    with pytest.raises(
        InputError, match=f"--out: {here} holds an assessment with datasets.images.attack.max_images 16, got 9"
    ):
        assessment.assess(replace(request, max_images=9), listed)
    other = write_model(Path("../other/model.keras").absolute(), epochs=0)
    with pytest.raises(
        InputError, match=f"{here} holds an assessment with model.sha256 [0-9a-f]{{64}}, got [0-9a-f]{{64}}"
    ):
        assessment.assess(replace(request, model=other), listed)
    monkeypatch.setattr(assessment, "edits", lambda *_: ["files/3.png has changed"])
    with pytest.raises(InputError, match=r"slices: files/3.png has changed since this assessment began: restore the"):
        assessment.assess(request, listed)


def test_an_assessment_writes_nothing_beside_the_images(toy: tuple[Request, list[str]]) -> None:
    request, _ = toy
    before = contents(request.manifest.parent)
    with pytest.raises(Stopped):
        assessment.assess(request, check_request(request))
    assert contents(request.manifest.parent) == before
    assert Path("data/raw/images").readlink() == request.manifest.parent
    assert Path("own/model.keras").readlink() == request.model


def test_the_results_may_lie_beside_the_images(tmp_path: Path) -> None:
    """The fingerprint of the images must not change because the assessment itself writes below their folder."""
    write_images(tmp_path / "slices", split=False)
    folder = tmp_path / "slices" / "found"
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/images").symlink_to(tmp_path / "slices")
    with chdir(folder):
        tree = look(Path(), "images")
        (folder / "new").touch()
        assert look(Path(), "images").files == tree.files
    assert sorted(tree.names.values()) == sorted(["list.csv", "SYNTHETIC.txt", *(f"files/{n}.png" for n in range(48))])


def test_the_settings_are_those_of_a_finished_model_and_the_strict_protocol(person: Path) -> None:
    asked = request_of(person / "model.keras", person / "slices" / "list.csv")
    params = parse_params(params_content(asked, size=16, has_split=True))
    dataset = params.datasets["images"]
    assert not dataset.is_trained_on
    assert params.models == {"images": ("clean",)}
    assert (params.attacks.protocols, params.certified, params.run.seeds) == (("strict",), {}, ())
    assert params.attacks.table_epsilons == dataset.attack.epsilons == EPSILONS
    assert (dataset.preprocess.split.use_given, dataset.attack.max_images) == (True, 16)
    whole = parse_params(params_content(replace(asked, epsilons=None, max_images=None), size=16, has_split=False))
    assert whole.attacks.table_epsilons == (0.001, 0.002, 0.004, 0.006)
    assert (whole.datasets["images"].preprocess.split.test_one_in, whole.datasets["images"].attack.max_images) == (
        1,
        None,
    )


def test_without_a_column_split_all_images_are_the_test_set(person: Path, tmp_path: Path) -> None:
    listed = check_request(request_of(person / "model.keras", write_images(tmp_path / "slices", split=False)))
    assert text_of_test_set(listed) == "all 48 images, because the manifest has no column split"
    listed = check_request(request_of(person / "model.keras", person / "slices" / "list.csv"))
    assert text_of_test_set(listed) == "32 images that the manifest's column split marks as test (16 validation)"


def estimate(table: str, row: str, field: str, value: float | None, low: float, high: float | None) -> Cell:
    interval = Interval(low, high, 0.95, "a method", 0, 9)
    return Cell(table, row, "images", field, value, interval, "", 10, 5, (), (), None)


def test_the_summary_tells_each_number_with_its_interval() -> None:
    columns = (TableColumn("images", "Slices", None, 10, False),)
    accuracy = [("Baseline", 0.9, 0.6, 0.97), ("PGD:0.01", 0.8, 0.5, 0.9), ("ALL:0.01", 0.5, 0.2, 0.8)]
    accuracy += [("ALL:0.05", 0.0, 0.0, 0.3)]
    first = Table(
        *("Table 1", "table1.csv", "", ("Attack", "Epsilon"), tuple(row for row, *_ in accuracy), "across", columns),
        (Field("accuracy_strict", "", "strict", "percent"),),
        tuple(estimate("Table 1", row, "accuracy_strict", *numbers) for row, *numbers in accuracy),
    )
    median = estimate("Table M", "clean", "median_first_flipped", 0.0123, 0.01, None)
    fields = (Field("median_first_flipped", "median", "first flipped", "epsilon"),)
    survival = Table("Table M", "m.csv", "", ("Model",), ("clean",), "blocks", columns, fields, (median,))
    checks = (
        Check("clean rows", "green", "", ""),
        Check("noise", "red", "", ""),
        Check("transfer", "not done", "", ""),
    )
    about = {"synthetic": False, "intensity_range": [-1000, 1000], "intensity_unit": "HU"}
    told = summary_lines(
        [first, survival],
        [Gate("images", "Slices", "clean", False, checks)],
        attack={"n_images": 10, "n_test_images": 40},
        summary=about | {"n_patients": 5, "n_images": 40},
        classes=("benign", "malignant"),
        page="/somewhere/index.html",
    )
    assert told == [
        "Classes: 0 benign, 1 malignant",
        "Images: 10 of 40 test images; 95 % intervals over patients",
        "Clean accuracy: 90\u00a0% (60 to 97)",
        "Robust accuracy at epsilon 0.01 (20 HU): 50\u00a0% (20 to 80)",
        "Robust accuracy at epsilon 0.05 (100 HU): 0\u00a0% (0 to 30)",
        "Median minimal epsilon of the images that are right without attack: 0.0123 (0.01 to not reached)",
        "Validity: 1 green, 1 red, 1 not done. NOT VALID: noise (Slices, clean)",
        "Page: /somewhere/index.html",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "none.keras"], r"oncorobust: --model: expected a file, got none at .*/none.keras"),
        (
            ["--model", "weights.pth"],
            r"oncorobust: --model: expected a .keras, .pt2 or .onnx file, got weights.pth, which",
        ),
        (["--manifest", "none.csv"], r"oncorobust: --manifest: expected a file, got none at .*/none.csv"),
        (
            ["--manifest", "unlabelled/list.csv"],
            r"oncorobust: expected one column `label`, got none among image_id, path",
        ),
        (
            ["--manifest", "grades/list.csv"],
            r"oncorobust: --classes: expected the names of the 3 classes in the order ",
        ),
        (
            ["--manifest", "train/list.csv"],
            r"oncorobust: .*/train/list.csv: expected rows with split test, got only train",
        ),
        (
            ["--classes", "benign", "other"],
            r"oncorobust: .*/list.csv, line 2: unknown label 'malignant' \(known: benign, ",
        ),
        (["--positive", "Malignant"], r"oncorobust: --positive: expected one of benign, malignant, got Malignant"),
        (
            ["--out", "slices"],
            r"oncorobust: --out: expected a new or empty folder, or one of an earlier assessment, got ",
        ),
        (["--model", "net.pt2"], r"oncorobust: --mean: expected what the training of net.pt2 did to its images, one"),
        (["--model", "net.onnx", "--mean", "0.5"], r"oncorobust: --std: expected what the training of net.onnx did to"),
        (["--out", "model.keras"], r"oncorobust: --out: expected a folder, got a file: .*/model.keras"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    person: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    shutil.copytree(person / "slices", tmp_path / "slices")
    shutil.copy(person / "model.keras", tmp_path)
    frame = pd.read_csv(tmp_path / "slices" / "list.csv")
    others = {
        "unlabelled": frame.drop(columns="label"),
        "grades": frame.assign(label=[("g1", "g2", "gx")[n % 3] for n in range(48)]).drop(columns="split"),
        "train": frame.assign(split="train"),
    }
    for name, one in others.items():
        (tmp_path / name).mkdir()
        one.to_csv(tmp_path / name / "list.csv", index=False)
    (tmp_path / "weights.pth").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("oncorobust.cli.assess.log_to", lambda _: pytest.fail("the log was opened"))
    before, usual = contents(tmp_path), ["--model", "model.keras", "--manifest", "slices/list.csv", "--out", "found"]
    assert main(["assess", *usual, *options]) == 1
    assert re.match(told, capsys.readouterr().err)
    assert contents(tmp_path) == before
    assert not (tmp_path / "found").exists()


def test_a_model_with_other_classes_and_a_size_that_nobody_states_are_refused(
    toy: tuple[Request, list[str]], tmp_path: Path
) -> None:
    request, ran = toy
    three = replace(request, model=write_model(tmp_path / "three.keras", classes=3, epochs=0))
    listed = check_request(request)
    told = r"three.keras: expected a model with 2 classes, got 3 \(classes of .*list.csv: benign, malignant\)"
    with pytest.raises(InputError, match=told):
        assessment.assess(three, listed)
    ends = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((None, None, 1)), *ends]).save(tmp_path / "any.keras")
    free = replace(request, model=tmp_path / "any.keras")
    told = r"--size: expected the side of the images in pixels, which .*any.keras does not state"
    with pytest.raises(InputError, match=told):
        assessment.assess(free, listed)
    with pytest.raises(InputError, match=r"datasets.images.preprocess.size: expected `int` <= 1024, got 9999"):
        assessment.assess(replace(free, size=9999), listed)
    assert (ran, sorted(one.name for one in Path().iterdir())) == ([], [".assess.lock"])
    check_folder(Path.cwd())  # still free for another try


def test_a_second_process_in_the_folder_is_refused(toy: tuple[Request, list[str]]) -> None:
    request, _ = toy
    with assessment._alone(), pytest.raises(InputError, match="--out: another process is assessing in "):
        assessment.assess(request, check_request(request))


def test_the_record_names_files_by_content_and_the_code_that_ran(person: Path) -> None:
    request = request_of(person / "model.keras", person / "slices" / "list.csv")
    record = record_of(request, check_request(request), backend=keras.backend.backend())
    assert str(person) not in json.dumps(record)  # names of folders may identify patients
    assert {"oncorobust", "python", "numpy", "keras", keras.backend.backend()} <= record["versions"].keys()
    assert (record["classes"], record["class_order"]) == (["benign", "malignant"], "sorted")
    assert re.fullmatch("[0-9a-f]{64}", record["code_sha256"])
