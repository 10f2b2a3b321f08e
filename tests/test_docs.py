"""The documentation: generated pages hold what they are generated from, links lead somewhere, code in it runs."""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import pandas as pd
import pytest
import yaml
from results_fixture import write_results

import oncorobust
from oncorobust.base.schema.files import DOCUMENTS, TABLES
from oncorobust.base.schema.version import write_results as write_results_json
from oncorobust.cli.main import build_parser
from oncorobust.settings.base import Settings
from oncorobust.settings.pipeline import Params

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SCHEMA = ROOT / "params.schema.json"
NOTEBOOK = DOCS / "tutorials" / "results.ipynb"
PARAMS = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


class Undescribed(msgspec.Struct):  # no settings class: the tests below look at all of those
    a: int
    """Number of things."""
    b: int


class Misshapen(msgspec.Struct):
    a: float
    """mm"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy zensical.toml, the library and docs/, and write the generated pages and the schema beside them."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    (folder / "src").symlink_to(ROOT / "src")
    command = [sys.executable, str(ROOT / "maintenance" / "write_reference.py"), "--into", str(folder / "docs")]
    subprocess.run([*command, "--schema", str(folder / SCHEMA.name)], check=True)
    return folder


def page(site: Path, name: str) -> str:
    return (site / "docs" / "reference" / name).read_text(encoding="utf-8")


def settings_classes(kind: type = Settings) -> Iterator[type[Settings]]:
    """The classes that sections of the files are read into; others are bases of theirs."""
    for one in kind.__subclasses__():
        yield from settings_classes(one) if one.__subclasses__() else [one]


def test_every_key_of_the_parameters_is_described_for_editors() -> None:
    files = (SCHEMA, ROOT / "policy.schema.json")  # whether or not another test has imported the policies' settings
    definitions = {name: one for file in files for name, one in json.loads(file.read_text())["$defs"].items()}
    keys = [(one.__name__, name) for one in settings_classes() for name in one.__struct_fields__]
    assert len(keys) > 80
    for one, name in keys:
        assert definitions[one]["properties"][name]["description"].endswith("."), f"{one}.{name}"
    size = definitions["Preprocess"]["properties"]["size"]
    assert size["description"].endswith(" Unit: pixels. Source: Table S3.")
    assert (size["minimum"], size["maximum"]) == (8, 1024)


def test_a_key_without_a_description_or_with_a_misshapen_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "maintenance")
    from settings_text import key_texts

    with pytest.raises(ValueError, match=r"Undescribed: expected a string below each field, got none below \['b'\]"):
        key_texts(Undescribed)
    with pytest.raises(ValueError, match=r"expected `Meaning. Unit: UNIT. Source: SOURCE.`.* got 'mm'"):
        key_texts(Misshapen)


def test_the_page_of_parameters_has_every_section_and_key(site: Path) -> None:
    text = page(site, "params.md") + page(site, "policies.md")
    for one in settings_classes():
        for field in msgspec.structs.fields(one):
            assert f"\n| `{field.name}` | " in text
    loss = "`datasets.<data set>.harden.loss` with `name: trades`"
    titles = ("`datasets.<data set>.harden`", loss, "`attacks.pgd`", "`requirements[]`")
    for title in titles:
        assert f"\n## {title}\n" in text


def test_the_page_of_parameters_has_types_ranges_units_defaults_and_sources(site: Path) -> None:
    lines = page(site, "params.md").splitlines()
    demo = yaml.safe_load((ROOT / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    n_images = {name: one["n_images"] for name, one in demo["acquire"].items() if "n_images" in one}
    (row,) = (line for line in lines if line.startswith("| `n_images`"))
    assert "| integer, ≥ 20 | images |" in row
    for name, number in n_images.items():
        assert re.search(rf"`{number}` \([^)]*{name}[^)]*\)", row)
    row, *_ = (line for line in lines if line.startswith("| `size`"))
    assert "| integer, ≥ 8, ≤ 1024 | pixels | `32` | Table S3 |" in row
    (row,) = (line for line in lines if line.startswith("| `difficulty`"))
    assert "| number, > 0 |  | `1.0` |" in row
    (row,) = (line for line in lines if line.startswith("| `intensity_range`"))
    assert "`format`, `training` or list of 2: number" in row
    assert any(line.startswith("| `max_norm` | number, > 0 or null |  | `null` |") for line in lines)


def test_the_schema_of_the_parameters_is_in_step(site: Path) -> None:
    written = (site / SCHEMA.name).read_text(encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == written, "run python maintenance/write_reference.py"
    assert set(json.loads(written)["$defs"]["Params"]["properties"]) == set(Params.__struct_fields__)


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.stem)
def test_the_first_line_of_the_parameters_names_the_schema_and_the_rest_fits_it(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = path.read_text(encoding="utf-8")
    name = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / name).resolve() == SCHEMA
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    content = yaml.safe_load(text)
    assert not list(check.iter_errors(content))
    dataset = list(content["datasets"])[-1]
    content["datasets"][dataset]["train"]["epochs"] = 0
    content["datasets"][dataset]["attack"]["epsilon"] = 0.1
    found = {(".".join(map(str, error.absolute_path)), error.validator) for error in check.iter_errors(content)}
    where = f"datasets.{dataset}"
    expected = {(f"{where}.train.epochs", "minimum"), (f"{where}.attack", "additionalProperties")}
    assert found == expected


def test_the_page_of_results_has_every_file_with_every_column_and_key(site: Path) -> None:
    sections = dict(part.split("`\n", 1) for part in page(site, "results.md").split("\n## `")[1:])
    assert list(sections) == [one.file for one in (*TABLES, *DOCUMENTS)]
    for table in TABLES:
        rows = [f"| `{column.name}` | {column.type} | {column.unit} |" for column in table.columns]
        assert [row for row in rows if row not in sections[table.file]] == []
    for document in DOCUMENTS:
        rows = [f"| `{key.name}` | {key.type} | {key.unit} |" for key in document.keys]
        assert [row for row in rows if row not in sections[document.file]] == []


def test_the_page_of_the_command_line_has_every_command_with_its_arguments(site: Path) -> None:
    text = page(site, "command-line.md")
    (commands,) = (one for one in build_parser([])._actions if isinstance(one, argparse._SubParsersAction))
    for name in commands.choices:
        assert f"\n## oncorobust {name}\n" in text
    for argument in ("--row ROW", "--rev REV", "--shards N", "--force", "--cache"):
        assert argument in text


def test_the_page_of_the_api_has_every_public_name(site: Path) -> None:
    names = re.findall(r"^::: oncorobust\.\S+\.(\w+)$", page(site, "api.md"), flags=re.MULTILINE)
    assert sorted(names) == sorted(oncorobust.__all__)


def test_every_page_is_in_the_navigation_and_every_entry_has_a_page(site: Path) -> None:
    def entries(level: list[dict[str, Any]]) -> Iterator[str]:
        for item in level:
            for target in item.values():
                yield from entries(target) if isinstance(target, list) else [target]

    listed = list(entries(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]))
    pages = {str(path.relative_to(site / "docs")) for path in (site / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(pages)


def test_links_lead_to_files(site: Path) -> None:
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *(site / "docs").rglob("*.md")]
    for path in texts:
        for target in LINK.findall(path.read_text(encoding="utf-8")):
            if not target.startswith(("https://", "http://", "mailto:")):
                assert (path.parent / target).exists(), f"{path}: {target}"


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for topic in ("a data format", "an attack", "a statistic", "a table", "a model source"):
        section = text.partition(f"## How to add {topic}\n")[2].partition("\n## ")[0]
        named = re.findall(r"`((?:src|tests|docs|workflow|maintenance)/[\w./-]+)`", section)
        assert len(named) >= 5, topic
        assert [name for name in named if not (ROOT / name).exists()] == []
    others = re.findall(r"`([\w-]+/[\w./-]*|[\w-]+\.(?:yaml|json|toml|md))`", text)
    assert [name for name in others if not (ROOT / name).exists()] == []


def test_the_notebook_runs_on_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_results(tmp_path)
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    namespace: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "outputs are cleared"
            exec("".join(cell["source"]), namespace)
    assert namespace["curves"].index.tolist() == list(namespace["epsilons"])
    assert (np.diff(namespace["curves"], axis=0) <= 0).all()


def write_small_results(folder: Path) -> None:
    """Write a processed data set of 80 digits and a linear model, where the examples of the documentation look."""
    processed = folder / "data" / "processed" / "mnist"
    processed.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.save(processed / "images.npy", rng.random((80, 32, 32, 1), dtype=np.float32))
    ids = [f"i{i}" for i in range(80)]
    labels = rng.integers(3, size=80)
    index = pd.DataFrame({"image_id": ids, "patient_id": ids, "label": labels, "split": "test", "source": ids})
    index.assign(class_name=np.array(list("abc"))[labels]).to_csv(processed / "index.csv", index=False)
    write_results_json(
        processed / "summary.json", {"dataset": "mnist", "class_names": ["a", "b", "c"], "synthetic": True}
    )
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    (folder / "models" / "mnist").mkdir(parents=True)
    model.save(folder / "models" / "mnist" / "clean.keras")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "printed"),
    [("README.md", r"robust accuracy [01]\.\d+"), ("docs/how-to/library.md", r"(?s)[01]\.\d+\npgd \[")],
)
def test_the_python_of_the_documentation_runs(page: str, printed: str, tmp_path: Path) -> None:
    write_small_results(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    every = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    blocks = [block for block in every if "torch_classifier" not in block]  # test_torch_classifier.py runs those
    assert blocks
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(printed, done.stdout), done.stdout


LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=\"?https?:"
    r"|<link\b[^>]*\bhref=\"?https?:|@import[^;]*https?:|url\([\"']?https?:"
)
"""What a browser fetches when it shows a page, if it lies elsewhere."""


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(site: Path) -> None:
    program = shutil.which("zensical")
    if program is None:
        pytest.skip("zensical is not installed; make docs installs it")
    done = subprocess.run([program, "build", "--strict", "--clean"], cwd=site, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    files = [path for path in (site / "site").rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 20
    for path in files:
        assert not LOADED.search(path.read_text(encoding="utf-8")), path
        assert 'class="mermaid"' not in path.read_text(encoding="utf-8"), "its program is fetched from elsewhere"
