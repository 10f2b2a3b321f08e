"""Results for other programs: each file is read back by another reader, with hostile text in it."""

import io
import json
import re
import shutil
import subprocess
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import openpyxl
import pandas as pd
import pytest
import toy_pipeline as toy
import yaml
from exchange_fixture import HOSTILE, small_facts, small_gates, small_tables, table_c_of_noise
from test_schema import write_all

from oncorobust.base.errors import InputError
from oncorobust.base.files import read_json, write_json
from oncorobust.base.schema.entries import Table as ColumnTable
from oncorobust.base.schema.exchange import ROBUST_POINTS, TRAINING_POINTS
from oncorobust.pipeline.stages.exchange import exchange
from oncorobust.report.exchange.card_facts import CardFacts
from oncorobust.report.exchange.citations import citations
from oncorobust.report.exchange.dvc_files import headline, robust_accuracy_points, training_points
from oncorobust.report.exchange.latex import escape_latex, gates_to_latex, to_latex
from oncorobust.report.exchange.measured import measured_of
from oncorobust.report.exchange.ml_bom import ml_bom
from oncorobust.report.exchange.model_card import model_card
from oncorobust.report.exchange.results import results_content, results_schema
from oncorobust.report.exchange.workbook import to_sheets
from oncorobust.report.exchange.xlsx import Sheet, SheetCell, write_workbook
from oncorobust.report.tables.cell import TableColumn
from oncorobust.settings.load import load_params

SCHEMA = toy.REPOSITORY / "results.schema.json"
XML = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def content() -> dict:
    found: dict = json.loads(json.dumps(results_content(small_tables(), mark="NOT VALID: noise")))
    return found


def test_the_committed_schema_is_that_of_the_code() -> None:
    committed = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(results_schema()))
    jsonschema.Draft202012Validator.check_schema(committed)
    for part in committed["$defs"].values():
        assert part["additionalProperties"] is False
        assert all(one["description"] for one in part["properties"].values()), part["title"]


def test_results_hold_each_number_with_all_that_belongs_to_it() -> None:
    found = content()
    jsonschema.validate(found, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert (found["synthetic"], found["mark"]) == (True, "NOT VALID: noise")
    assert found["data_sets"] == [{"key": "ct", "title": HOSTILE, "synthetic": True, "n_images": 40}]
    assert len(found["numbers"]) == sum(len(table.cells) for table in small_tables())
    assert found["numbers"][5] == {
        "table": "Table S5",
        "data_set": "ct",
        "row": "ALL",
        "field": "difference_strict",
        "value": 0.375,
        "unit": "difference of fractions",
        "interval": {"low": 0.4, "high": 0.9, "level": 0.95, "method": "BCa bootstrap"},
        "no_interval": "",
        "n_images": 40,
        "n_patients": 20,
        "test": {"p_value": 0.01, "p_holm": 0.03, "method": "exact McNemar"},
        "synthetic": True,
        "of_the_paper": False,
    }
    of_the_paper = [one for one in found["numbers"] if one["of_the_paper"]]
    assert [(one["value"], one["synthetic"], one["interval"]) for one in of_the_paper] == [(0.2692, False, None)]


def test_a_comparison_is_synthetic_if_either_data_set_is() -> None:
    (table, *_) = small_tables(synthetic=False)
    natural = TableColumn("mnist", "MNIST", None, 5, synthetic=True)
    cell = replace(table.cells[0], row="mnist:clean")
    other = replace(
        table,
        row_heads=("Natural set", "Model"),
        rows=("mnist:clean",),
        columns=(*table.columns, natural),
        cells=(cell,),
    )
    assert results_content([other], mark="")["numbers"][0]["synthetic"] is True
    assert results_content([table], mark="")["numbers"][0]["synthetic"] is False


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("numbers", 0, "value"), "0.75"),
        (("numbers", 0, "unit"), "percent"),
        (("numbers", 0, "interval", "level"), 95),
        (("numbers", 0, "n_images"), -1),
        (("schema_version",), 2),
        (("odd",), 1),
    ],
)
def test_a_broken_file_does_not_fit_the_schema(path: tuple, value: object) -> None:
    broken = content()
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50% & $5_a {b} #1", r"50\% \& \$5\_a \{b\} \#1"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("a~b^c <d>", r"a\textasciitilde{}b\textasciicircum{}c \textless{}d\textgreater{}"),
        ("-3 to -1, 1--2, x-y", r"\textminus{}3 to \textminus{}1, 1-{}-2, x-y"),
        ("two\nlines", "two lines"),
        ("Müller \u80ba \U0001f600", "Müller {[}U+80BA{]} {[}U+1F600{]}"),
        ("[x]", "{[}x{]}"),
    ],
)
def test_latex_shows_text_as_it_is(text: str, escaped: str) -> None:
    assert escape_latex(text) == escaped


def latex_files() -> dict[str, str]:
    return {
        **{f"t{number}": to_latex(table) for number, table in enumerate(small_tables())},
        "validity": gates_to_latex(small_gates(red=True)),
    }


def test_latex_tables_are_whole() -> None:
    for name, text in latex_files().items():
        assert text.count("\\begin{longtable}") == text.count("\\end{longtable}"), name
        for part in re.findall(r"\\begin\{longtable\}.*?\\end\{longtable\}", text, re.DOTALL):
            n_columns = part.partition("\n")[0].count("arraybackslash")
            lines = [line for line in part.splitlines() if line.endswith("\\\\") and " & " in line]
            assert len(lines) >= 2
            assert {len(re.findall(r"(?<!\\) & ", line)) + 1 for line in lines} == {n_columns}
            assert n_columns <= 8
            for rule in ("\\toprule", "\\midrule", "\\bottomrule"):
                assert rule in part
        assert "\\end{table}" not in text
    found = latex_files()["t0"]
    assert r"=1+1 \textless{}b\textgreater{}50\% \& \$x\$\_\{y\}" in found
    assert "(SYNTHETIC) & ALL & 25 (40 to 90) & 62 (40 to 90) & +38 (+40 to +90), p = 0.030" in found
    assert r"\textit{26.92}" in found
    assert "NOT VALID: noise" in latex_files()["validity"]


def test_latex_compiles(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine")
    text = "".join(latex_files().values()) + "\n" + escape_latex("".join(map(chr, range(0x20, 0x180))) + HOSTILE)
    head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{array,booktabs,longtable}\\begin{document}\n"
    (tmp_path / "all.tex").write_text(f"{head}{text}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 5_000


def test_a_workbook_holds_numbers_as_numbers_and_text_as_text(tmp_path: Path) -> None:
    path = tmp_path / "tables.xlsx"
    write_workbook(path, to_sheets(small_tables(), small_gates()))
    sheet = openpyxl.load_workbook(path).worksheets[1]  # after About
    value, low, difference, title = sheet["C2"], sheet["D2"], sheet["K3"], sheet["A2"]
    assert (value.value, value.data_type, value.number_format, low.value) == (0.75, "n", "0.0%", 0.4)
    assert difference.value == 37.5, "percentage points"
    assert (title.value, title.data_type) == (f"{HOSTILE} (SYNTHETIC)", "s")
    assert title.quotePrefix, "it stays text when it is edited"
    assert sheet.freeze_panes == "A2"


def test_the_same_workbook_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, to_sheets(small_tables(), small_gates()))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_every_table_has_a_sheet(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", to_sheets(small_tables(), small_gates()))
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames == ["About", "Table S5", "Table T", "Table M", "Validity"]
    sheet = book["Table S5"]
    head = [cell.value for cell in sheet[1]]
    assert head[:6] == [
        "Data set",
        "Attack",
        *(f"strict: original{end}" for end in ("", ", low", ", high", ", n images")),
    ]
    assert (sheet["C3"].value, sheet["C3"].number_format, sheet["C3"].data_type) == (0.25, "0.0%", "n")
    assert (sheet["A2"].value, sheet["A2"].data_type) == (f"{HOSTILE} (SYNTHETIC)", "s")
    assert sheet["A2"].quotePrefix
    assert head.index("strict: difference: percentage points, p (Holm)") == 14
    assert sheet["O3"].value == 0.03


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "1e5", "https://a.b", "<&>\"'", "x" * 40_000])
def test_any_text_stays_text(tmp_path: Path, text: str) -> None:
    write_workbook(tmp_path / "t.xlsx", [Sheet("A", ((SheetCell(text),),), 0, (10,))])
    cell = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]["A1"]
    assert (cell.data_type, cell.value, cell.hyperlink) == ("s", text[:32_767], None)
    assert cell.quotePrefix == (text[0] in "=+-@")


def test_characters_that_a_workbook_cannot_hold_are_marked(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [Sheet("A", ((SheetCell("a\x00b\ud800"),),), 0, (10,))])
    assert openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]["A1"].value == "a\ufffdb\ufffd"


@pytest.mark.parametrize("names", [["a/b"], ["x" * 32], [""], ["A", "a"]])
def test_names_of_sheets_are_checked(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="expected different names of sheets"):
        write_workbook(tmp_path / "t.xlsx", [Sheet(name, (), 0, ()) for name in names])


def test_a_number_that_is_not_finite_leaves_its_cell_empty(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", [Sheet("A", ((SheetCell(np.inf), SheetCell(1.5)),), 0, (10, 10))])
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]
    assert (sheet["A1"].value, sheet["B1"].value) == (None, 1.5)


def test_the_numbers_of_a_model_are_its_own() -> None:
    found = measured_of(small_tables(), "ct", "clean")
    assert [(one.title, one.cell.value) for one in found] == [
        ("Accuracy, no attack", 0.75),
        ("Robust accuracy, strict protocol, worst case over all attacks, epsilon 0.002", 0.25),
        ("Accuracy under changes of the same size, PGD alone, threat model tied, epsilon 0.002", 0.3),
        ("Accuracy under changes of the same size, random noise (control), epsilon 0.002", 0.725),
    ]
    assert [one.is_control for one in found] == [False, False, False, True]
    assert measured_of(small_tables(), "mr", "clean") == ()


def card_metadata(text: str) -> dict:
    found: dict = yaml.safe_load(text.split("---\n")[1])
    return found


def test_a_card_states_robustness_with_intervals_and_the_control() -> None:
    text = model_card(small_facts())
    (model,) = card_metadata(text)["model-index"]
    (results,) = model["results"]
    assert results["dataset"] == {"type": "ct", "name": f"{HOSTILE} (SYNTHETIC)", "split": "test"}
    robust = results["metrics"][1]
    assert (robust["type"], robust["value"]) == ("accuracy", 0.625)
    assert robust["args"] == {
        "conditions": "strict protocol, worst case over all attacks",
        "epsilon": 0.002,
        "ci_low": 0.4,
        "ci_high": 0.9,
        "ci_level": 0.95,
        "n_images": 40,
        "n_patients": 20,
    }
    assert "| Robust accuracy | strict protocol, worst case over all attacks | 0.002 (2.8 HU) | 62 (40 to 90) |" in text
    assert "| random noise (control) | 0.002 (2.8 HU) | 70 (40 to 90) | 40 | 20 |" in text
    assert "**SYNTHETIC images: generated, of no patient.**" in text
    assert "Collapsed: after epoch 1" in text
    assert "PAT-7" not in text, "what a check found may name patients"
    assert "malignant \\| =2" in text
    splits = re.findall(r"^\| (train|validation|test) \|", text, re.MULTILINE)
    assert splits == ["train", "validation", "test"]


def test_a_card_says_that_results_are_not_valid() -> None:
    red = next(gate for gate in small_gates("CT", red=True) if gate.model == "clean")
    text = model_card(small_facts("clean", "CT", gate=red))
    assert "**NOT VALID: noise (CT, clean).**" in text
    without = [one for one in small_facts().numbers if not one.is_control]
    assert "Control: not done, because" in model_card(small_facts(numbers=tuple(without)))


def test_a_card_counts_the_images_that_were_attacked_and_not_the_whole_test_split() -> None:
    facts = small_facts()
    summary = {**facts.summary, "counts": {"test": {"benign": 60, "malignant | =2": 50}}, "patients": {"test": 70}}
    told = "The numbers are of 40 of the 110 test images and 20 of the 70 test patients of one data set;"
    assert told in model_card(replace(facts, summary=summary))


def test_a_card_names_the_positive_class() -> None:
    facts = small_facts()
    assert "Positive class" not in model_card(facts)
    first = facts.numbers[0]
    rows = replace(first.cell.rows[0], statistic="sensitivity", options={"n_classes": 2, "positive": 1})
    found = replace(first, name="Sensitivity", cell=replace(first.cell, rows=(rows,)))
    assert "\nPositive class: malignant \\| =2.\n" in model_card(replace(facts, numbers=(found,)))


def noise_facts() -> CardFacts:
    """What is known about a model that was trained under noise, for certificates."""
    clean = small_facts().training
    under_noise = {**clean, "sigma": 0.1, "noise": "tied", "loss": "noise", "collapsed_epochs": []}
    numbers = measured_of([*small_tables(), table_c_of_noise()], "ct", "noise")
    return small_facts("noise", "CT", trainings={"clean": clean, "noise": under_noise}, numbers=numbers)


def test_a_model_for_certificates_has_a_card_that_says_what_was_not_tested() -> None:
    text = model_card(noise_facts())
    (model,) = card_metadata(text)["model-index"]
    assert model["name"] == "CT, noise-trained model"
    assert [(one["type"], one["name"], one["value"]) for one in model["results"][0]["metrics"]] == [
        ("accuracy", "Accuracy, no attack", 0.8),
        ("accuracy", "Accuracy of the smoothed model, no attack", 0.775),
        ("abstention_rate", "Share on which the smoothed model abstains, no attack", 0.05),
        ("accuracy", "Certified accuracy of the smoothed model, any change within epsilon, epsilon 0.002", 0.5),
        ("accuracy", "Robust accuracy of the smoothed model, PGD on the smoothed model, epsilon 0.002", 0.55),
    ]
    assert "trained under Gaussian noise of standard deviation 0.1, the same in all channels" in text
    assert "\n- The model itself was not attacked: no accuracy under attack, no minimal epsilon," in text
    assert "\n- A certificate holds for the smoothed model, which" in text
    assert "Not done: the checks are of attacks, and this model was not attacked." in text
    assert "The numbers are of 40 of the 9 test images" in text
    for word in ("Control:", "under the attacks that were run", "Hardened by"):
        assert word not in text
        assert word in model_card(small_facts())


def test_a_model_for_certificates_without_certificates_has_no_number() -> None:
    text = model_card(replace(noise_facts(), numbers=()))
    assert "\n- No number of this model was measured.\n" in text
    assert "A certificate holds" not in text


def test_hugging_face_reads_the_metadata_of_a_card() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    card = hub.ModelCard(model_card(small_facts()))
    assert card.data.library_name == "keras"
    found = {one.metric_name: one for one in card.data.eval_results}
    noise = found["Accuracy under changes of the same size, random noise (control), epsilon 0.002"]
    assert (noise.metric_value, noise.dataset_name, noise.metric_args["ci_low"]) == (0.7, f"{HOSTILE} (SYNTHETIC)", 0.4)


def test_a_bill_of_materials_fits_the_schema_of_cyclonedx() -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    check = validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str
    bom = ml_bom(small_facts())
    assert check(json.dumps(bom)) is None
    assert check(json.dumps(ml_bom(noise_facts()))) is None
    assert check(json.dumps({**bom, "serialNumber": "urn:uuid:1"})) is not None
    metric = bom["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][1]
    assert metric == {
        "type": "Robust accuracy",
        "value": "0.625",
        "slice": "test split, strict protocol, worst case over all attacks, epsilon 0.002; 40 images, 20 patients",
        "confidenceInterval": {"lowerBound": "0.4", "upperBound": "0.9"},
    }


def test_the_serial_number_follows_from_the_content() -> None:
    first, again, other = ml_bom(small_facts()), ml_bom(small_facts()), ml_bom(small_facts(md5="1" * 32))
    assert first == again
    assert first["serialNumber"] != other["serialNumber"]
    assert "timestamp" not in json.dumps(first)


def bibtex_keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(\w+),$", text, re.MULTILINE)


def test_citations_are_of_what_was_used() -> None:
    summaries = {
        "lidc": {"format": "lidc", "synthetic": True},
        "mnist": {"format": "mnist", "synthetic": False},
        "own": {"format": "manifest", "synthetic": False},
    }
    text = citations(summaries, attacks=["pgd", "square", "converged", "pgd"], certified=True)
    keys = bibtex_keys(text)
    assert keys[:4] == ["joel2021", "joel2022", "oncorobust", "lecun1998"]
    assert keys[-3:] == ["madry2018", "andriushchenko2020", "cohen2019"]
    assert len(set(keys)) == len(keys)
    assert "% lidc: synthetic images" in text
    assert "% own: your own images" in text
    assert "cohen2019" not in citations(summaries, attacks=[], certified=False)


def test_a_card_states_the_origin_that_the_user_gave_and_no_other() -> None:
    assert "Origin and date" not in model_card(small_facts())
    card = model_card(small_facts(origin="Ward 7, 2010 to 2014 | site *A*"))
    assert "Origin and date, as stated by whoever ran it: Ward 7, 2010 to 2014" in card
    assert "| site *A*" not in card, "text of the user is escaped"


def test_pybtex_reads_every_reference() -> None:
    pybtex = pytest.importorskip("pybtex.database", reason="pybtex is not installed")
    formats = {name: {"format": name, "synthetic": False} for name in ("lidc", "cbis_ddsm", "mnist", "cifar10")}
    attacks = ["fgsm", "bim", "pgd", "apgd", "fmn", "square"]
    text = citations(formats, attacks=attacks, certified=True)
    entries = pybtex.parse_string(text, "bibtex").entries
    references = (toy.REPOSITORY / "src/oncorobust/report/exchange/references.bib").read_text(encoding="utf-8")
    assert set(entries) == set(bibtex_keys(references))
    for entry in entries.values():
        assert {"title", "year"} <= set(entry.fields), entry.key
        assert entry.persons["author"], entry.key


def test_headline_numbers_are_few() -> None:
    tables = small_tables()
    numbers = measured_of(tables, "ct", "clean")
    assert headline(numbers, tables, "ct", "clean") == {"clean_accuracy": 0.75, "robust_accuracy": 0.25}


def test_points_of_the_curves() -> None:
    strict = {"attacks": ["pgd", "converged"], "robust_accuracy": {"converged": {"eps_0_1": 0.25, "eps_0_02": 0.5}}}
    paper = {"robust_accuracy": {"true": {"pgd": {"eps_0_1": 0.5}}}}
    attack = {
        "ct": {"clean": {"clean_accuracy": 0.9, "strict": strict}, "adversarial": {"clean_accuracy": 0.8, **paper}}
    }
    points = robust_accuracy_points(attack, {"ct": "CT"})
    assert tuple(points.columns) == ROBUST_POINTS.names
    assert points.to_numpy().tolist() == [
        ["CT", "clean", "strict protocol", 0.0, 0.9],
        ["CT", "clean", "strict protocol", 0.02, 0.5],
        ["CT", "clean", "strict protocol", 0.1, 0.25],
        ["CT", "adversarial", "PGD, true labels", 0.0, 0.8],
        ["CT", "adversarial", "PGD, true labels", 0.1, 0.5],
    ]
    history = pd.DataFrame({"epoch": [0, 1], "validation_accuracy": [0.5, 0.75], "loss": [np.nan, 1.0]})
    curves = training_points({("ct", "clean"): history}, {"ct": "CT"})
    assert tuple(curves.columns) == TRAINING_POINTS.names
    assert curves.to_numpy().tolist() == [
        ["CT", "clean", "clean accuracy", 0, 0.5],
        ["CT", "clean", "clean accuracy", 1, 0.75],
    ]


@pytest.mark.parametrize(("name", "table"), [("robust_accuracy", ROBUST_POINTS), ("training_curves", TRAINING_POINTS)])
def test_the_templates_of_dvc_name_columns_of_their_file(name: str, table: ColumnTable) -> None:
    text = (toy.REPOSITORY / "workflow" / "plots" / f"{name}.json").read_text(encoding="utf-8")
    json.loads(text)
    assert '"<DVC_METRIC_DATA>"' in text
    assert set(re.findall(r'"field": "(\w+)"', text)) <= {*table.names, "rev"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with tables of made-up results."""
    root = tmp_path_factory.mktemp("exchange")
    write_all(root, ("paper", "strict"))
    return root


def test_the_stage_writes_all_files_and_the_same_again(made: Path) -> None:
    with chdir(made):
        params = load_params()
        exchange(params)
        names = list(params.run.datasets)
        paths = sorted(toy.written("exchange", {}, names))
        first = {path: Path(path).read_bytes() for path in paths}
        exchange(params)
        assert {path: Path(path).read_bytes() for path in paths} == first
    results = json.loads(first["reports/results.json"])
    jsonschema.validate(results, json.loads(SCHEMA.read_text(encoding="utf-8")))
    cells = json.loads((made / "reports/tables/cells.json").read_text())["cells"]
    assert [one["value"] for one in results["numbers"]] == [cell["value"] for cell in cells]
    points = pd.read_csv(io.BytesIO(first["reports/plots/robust_accuracy.csv"]))
    assert {"MRI phantom (SYNTHETIC)", "LIDC"} < set(points["data_set"])
    for name in names:
        lines = yaml.safe_load(first[f"reports/{name}/clean/headline.yaml"])
        assert {"clean_accuracy", "robust_accuracy"} <= set(lines), name


def test_a_model_for_certificates_has_a_card_and_no_headline(made: Path) -> None:
    with chdir(made):
        params = load_params()
        lidc = params.datasets["lidc"]
        smoothed = {**params.datasets, "lidc": msgspec.structs.replace(lidc, smooth=lidc.harden)}
        shutil.copy("models/lidc/clean.keras", "models/lidc/noise.keras")
        unlike = shutil.ignore_patterns("headline.yaml")  # of an attacked model
        shutil.copytree("reports/lidc/clean", "reports/lidc/noise", ignore=unlike)
        exchange(msgspec.structs.replace(params, datasets=smoothed))
    assert "# LIDC, noise-trained model" in (made / "reports/cards/lidc-noise.md").read_text()
    bom = json.loads((made / "reports/cards/lidc-noise.cdx.json").read_text())
    assert bom["metadata"]["component"]["name"] == "lidc-noise"
    assert not (made / "reports/lidc/noise/headline.yaml").exists()
    curves = pd.read_csv(made / "reports/plots/training_curves.csv")
    assert "noise" in set(curves.loc[curves["data_set"] == "LIDC", "model"])


def test_cards_have_the_digests_that_training_wrote(made: Path) -> None:
    training = read_json(made / "reports/lidc/clean/training.json")
    card = (made / "reports/cards/lidc-clean.md").read_text(encoding="utf-8")
    assert f"MD5 `{training['model_md5']}`, SHA-256 `{training['model_sha256']}`" in card


def test_a_training_of_an_older_version_is_named(made: Path) -> None:
    with chdir(made):
        file = Path("reports/lidc/adversarial/training.json")
        content = file.read_text(encoding="utf-8")
        write_json(file, {key: value for key, value in read_json(file).items() if key != "model_sha256"})
        try:
            with pytest.raises(InputError, match=r"training.json: expected model_sha256, got none: an older version"):
                exchange(load_params())
        finally:
            file.write_text(content, encoding="utf-8")
