"""Names and parameters from other people, through the real commands: they stay data and come back unchanged.

Some names would create the file `canary`, or change a page's title, if a command or a page of ours ran them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import toy_pipeline as toy
import yaml
from browser import dumped
from PIL import Image
from results_fixture import DATASETS, FakeDataset, write_results
from toy_pipeline import REPOSITORY

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character, same_but_for_spelling
from oncorobust.data.dataset import load
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.records import check_index
from oncorobust.settings.load import load_params, parse_params

NAMES = [
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "a' && touch canary; '",
    '"; touch canary; "',
    "| tee canary",
    "-rf",
    "--dataset=other",
    "line\nbreak; touch canary",
    "tab\tinside",
    "{wildcards.dataset}",
    "${item}",
    "{{ 1 + 1 }}",
    "%s %n {0}",
    "=1+1",
    "@1",
    "+1",
    "NA",
    "1e5",
    "007",
    "CON",
    "מטופל א",
    "e\u0301tude",
    "👩\u200d⚕️",
    "<b>bold</b>",
    '"><i>',
    "scheme:text",
    "a,b;c",
    "'",
    "n" * 300,
]
REFUSED = {"a\rb": "U+000D", "a\0b": "U+0000", "\x1b[2J": "U+001B", "a\u202eb": "U+202E", "a\udcff": "U+DCFF"}


def file_name(number: int, name: str) -> str:
    """The name as that of a file, as far as a file system takes it."""
    return f"{number} {name.replace('/', '_')[:100]}.png"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree with a manifest of hostile names, after `preprocess`."""
    root = tmp_path_factory.mktemp("names")
    folder = root / "data" / "raw" / "mnist"
    folder.mkdir(parents=True)
    rows = []
    for number, name in enumerate(NAMES):
        Image.new("L", (8, 8), number).save(folder / file_name(number, name), format="png")
        labels = (NAMES[0], NAMES[24])
        rows.append((name, file_name(number, name), labels[number % 2], f"{name} {number // 2}"))
    pd.DataFrame(rows, columns=["image_id", "path", "label", "patient_id"]).to_csv(folder / "manifest.csv", index=False)
    content = toy.small_params()
    content["acquire"] = {}
    content["datasets"]["mnist"]["preprocess"] |= {"format": {"name": "manifest"}, "max_images": None}
    content["datasets"]["mnist"]["augment"]["copies"] = 1
    toy.write_params(root, content)
    done = run_script("preprocess", root, "--dataset", "mnist")
    assert done.returncode == 0, done.stderr
    return root


def run_script(stage: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "workflow/scripts" / f"{stage}.py"), *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def canaries(root: Path) -> list[Path]:
    return [path for path in root.rglob("*canary*") if path.suffix != ".png"]


def test_names_come_back_as_they_were(root: Path) -> None:
    data = load(root / "data/processed/mnist")
    assert sorted(data.image_ids) == sorted(NAMES)
    assert sorted(data.rows["patient_id"]) == sorted(f"{name} {number // 2}" for number, name in enumerate(NAMES))
    assert sorted(data.rows["source"]) == sorted(file_name(number, name) for number, name in enumerate(NAMES))
    assert set(data.class_names) == {NAMES[0], NAMES[24]}
    assert Image.open(root / "data/processed/mnist/contact_sheet.png").size > (100, 100)
    assert canaries(root) == []


@pytest.mark.parametrize(("name", "found"), REFUSED.items())
def test_what_no_output_can_hold_is_refused_without_naming_the_patient(name: str, found: str) -> None:
    assert refused_character(name) == found
    good = pd.DataFrame({"image_id": ["1", "2"], "patient_id": ["p", "q"], "label": [0, 1], "source": ["a", "b"]})
    for column in ("image_id", "patient_id", "source"):
        with pytest.raises(InputError) as caught:
            check_index(good.assign(**{column: ["good", name]}), ("x", "y"))
        assert f"expected {column} of plain characters, got U+{ord(max(set(name) - set('ab[2J'))):04X}" in str(
            caught.value
        )
        assert str(caught.value).isprintable()
    with pytest.raises(InputError, match=r"expected a class name of plain characters, got U\+"):
        check_index(good, ("x", name))
    content = toy.small_params()
    content["report"]["columns"]["mnist"]["title"] = name
    with pytest.raises(InputError, match=r"report\.columns\.mnist\.title: expected plain characters, got U\+"):
        parse_params(content)


def test_one_person_under_two_spellings_is_refused() -> None:
    names = ["Zo\u00eb", "Zoe\u0308"]
    index = pd.DataFrame({"image_id": ["1", "2"], "patient_id": names, "label": [0, 1], "source": ["a.png", "b.png"]})
    with pytest.raises(InputError, match=r"one spelling of each patient_id, .*: those of 'a\.png' and 'b\.png'"):
        check_index(index, ("x", "y"))
    assert same_but_for_spelling(["Zoe", "Zo\u00eb", "ZOE"]) is None


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "/outside/secret.png", "a/../../secret.png", "..\\secret.png", "C:\\secret.png", "link.png"],
)
def test_a_manifest_reads_nothing_outside_of_its_tree(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    for place in (tmp_path / "secret.png", folder / "a.png"):
        Image.new("L", (4, 4)).save(place)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "manifest.csv").write_text(f"image_id,path,label,patient_id\n1,a.png,x,p\n2,{path},y,q\n")
    with pytest.raises(InputError, match=r"got '.*secret\.png' in .*, line 3$|, line 3: .* links to .*secret\.png"):
        open_manifest(folder)


def test_a_linked_tree_and_the_links_of_dvc_are_read(tmp_path: Path) -> None:
    cached = tmp_path / "cache/files/md5/00" / ("1" * 30)
    cached.parent.mkdir(parents=True)
    (tmp_path / "tree").mkdir()
    for place in (cached, tmp_path / "tree" / "a.png"):
        Image.new("L", (4, 4)).save(place, format="png")
    (tmp_path / "tree" / "b.png").symlink_to(cached)
    (tmp_path / "tree" / "manifest.csv").write_text("image_id,path,label,patient_id\n1,a.png,x,p\n2,b.png,y,q\n")
    (tmp_path / "linked").symlink_to(tmp_path / "tree")
    assert open_manifest(tmp_path / "linked").read(1).values.shape == (4, 4)


TEMPLATE = "__use_yte__: true\ntitle: ?made_up + 1\n"
REFUSED_PARAMS = {
    "a template": (TEMPLATE, "__use_yte__: expected a known key"),
    "a type of Python": ("seed: !!python/tuple [0, 1]\n", "could not determine a constructor"),
    "nesting": (
        "seed: " + "[" * 51 + "]" * 51,
        "line 1: too deep or too long (expected at most 50 levels and 2,000,000 values)",
    ),
    "an alias inside its own anchor": ("&a [*a]\n", "expected at most 50 levels and"),
}


@pytest.mark.parametrize("kind", REFUSED_PARAMS)
def test_parameters_of_other_kinds_are_refused(kind: str, tmp_path: Path) -> None:
    text, message = REFUSED_PARAMS[kind]
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_params(tmp_path / "params.yaml")
    assert message in str(caught.value)


def test_values_of_aliases_count_as_often_as_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("a: &a [1, 2]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    monkeypatch.setattr("oncorobust.settings.load._MOST_VALUES", 31)
    with pytest.raises(InputError, match=r"a: expected a known key"):
        load_params(tmp_path / "params.yaml")
    monkeypatch.setattr("oncorobust.settings.load._MOST_VALUES", 27)
    with pytest.raises(InputError, match=r"line 3: too deep or too long \(expected at most 50 levels and 27 values\)"):
        load_params(tmp_path / "params.yaml")


def test_an_anchor_may_be_used_many_times(tmp_path: Path) -> None:
    content = toy.toy_params()
    both = {"title": "Both", "paper": None}
    content["report"]["columns"] = {name: both for name in content["report"]["columns"]}
    toy.write_params(tmp_path, content)
    assert "*id001" in (tmp_path / "params.yaml").read_text()
    assert load_params(tmp_path / "params.yaml").report.columns["slices"].title == "Both"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_toy(tmp_path_factory.mktemp("toy"), toy.small_params())


def test_neither_runner_runs_a_parameter_file(pipeline: Path) -> None:
    good = (pipeline / "params.yaml").read_text()
    (pipeline / "params.yaml").write_text(TEMPLATE + good)
    printed = toy.run(pipeline, "snakemake --cores 1 --dry-run", status=1)
    assert "params.yaml: __use_yte__: expected a known key" in printed
    (pipeline / "params.yaml").write_text(good)
    assert canaries(pipeline) == []


def test_names_of_data_sets_never_reach_a_shell_or_a_path(pipeline: Path) -> None:
    good = (pipeline / "params.yaml").read_text()
    content = yaml.safe_load(good)
    names = ["mnist; touch canary", "../../victim", "mnist canary"]
    content["run"]["datasets"] = names
    content["acquire"] = dict.fromkeys(names, content["acquire"]["mnist"])
    content["datasets"] = dict.fromkeys(names, content["datasets"]["mnist"])
    content["report"]["columns"] = {name: {"title": "x", "paper": None} for name in names}
    victim = pipeline / "victim"
    victim.mkdir()
    (victim / "file").touch()
    toy.write_params(pipeline, yaml.safe_load(json.dumps(content)))
    try:
        expected = "expected a name of lower-case letters, digits and underscores"
        assert expected in toy.run(pipeline, "snakemake --cores 1", status=1)
        assert expected in toy.run(pipeline, "oncorobust graph", status=1)
        toy.run(pipeline, "dvc repro --keep-going || true")
    finally:
        (pipeline / "params.yaml").write_text(good)
    assert canaries(pipeline) == []
    assert (victim / "file").is_file()


MARKUP = FakeDataset(
    title="<script>document.title = 'ran'</script>",
    paper=None,
    class_names=(
        "<img src=x onerror=\"document.title = 'ran'\">",
        "</td></table><b>bold</b>",
    ),
    grid=DATASETS["lidc"].grid,
    flips_at=0.01,
    clean_share=0.8,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("page") / "run"
    write_results(root, {"own": MARKUP})
    for stage in ("tabulate", "plot", "report"):
        done = run_script(stage, root)
        assert done.returncode == 0, done.stderr
    return (root / "reports/index.html").read_text(encoding="utf-8")


def title_in_browser(page: str, folder: Path) -> str:
    """The page's title after a browser has shown it."""
    shown, _ = dumped(page, folder)
    return shown.partition("<title>")[2].partition("</title>")[0]


def test_the_page_runs_nothing(page: str, tmp_path: Path) -> None:
    assert title_in_browser(page, tmp_path).startswith("oncorobust: ")
    assert "&lt;script&gt;document.title" in page


def test_a_script_that_got_onto_the_page_would_not_run(page: str, tmp_path: Path) -> None:
    policy = page[page.index("<meta http-equiv") : page.index('<meta name="viewport"')]
    assert "Content-Security-Policy" in policy
    planted = page.replace(
        "</body>", "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
    )
    assert title_in_browser(planted, tmp_path).startswith("oncorobust: ")
    assert title_in_browser(planted.replace(policy, ""), tmp_path) == "ran"


def test_an_error_moves_no_cursor():
    error = InputError("expected a name, got \x1b[2Jé\r in\na file")
    assert str(error) == "expected a name, got \\x1b[2Jé\\r in\na file"
