"""The run as a crate: made of dvc.lock, checked by roc-validator with the JSON-LD context of this repository's own.

`ro_crate_1_1_context.json.gz` is the context that RO-Crate 1.1 publishes (https://w3id.org/ro/crate/1.1/context, CC0),
as the package rocrate 0.10.0 has it. Without it roc-validator skips half of its checks and still reports success.
"""

import gzip
import io
import json
import shutil
import subprocess
import zipfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from exchange_fixture import small_tables

from oncorobust.base.errors import InputError
from oncorobust.base.files import file_md5
from oncorobust.base.schema.version import write_results
from oncorobust.cli.main import main
from oncorobust.report.tables.cell import tables_to_json
from oncorobust.trace.crate_files import refuse_home_paths

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CONTEXT_FILE = Path(__file__).with_name("ro_crate_1_1_context.json.gz")
MODEL, IMAGES, TABLE, CELLS = (
    "models/ct/clean.keras",
    "data/raw/ct",
    "reports/tables/t.csv",
    "reports/tables/cells.json",
)
STAGES = {
    "train@ct": {"deps": ["workflow/code/train.txt"], "outs": [MODEL], "params": {"seed": 3, "a.b": "=x"}},
    "tabulate": {"deps": [MODEL, "workflow/code/tabulate.txt"], "outs": [], "params": {"seed": 3}},
}
"""tabulate writes TABLE and CELLS, which git keeps."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A committed repository of two stages with the record of their run."""
    root = tmp_path / "run"
    for path in ("Snakefile", "params.yaml", "workflow/scripts/train.py", "workflow/scripts/tabulate.py", MODEL, TABLE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"content of {path}\n")
    (root / "params.yaml").write_text("seed: 3\n")
    for path in ("workflow/code/train.txt", "workflow/code/tabulate.txt"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("0  src/x.py\n")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    write_results(root / CELLS, tables_to_json(small_tables("CT <1>")))
    kept = [{path: {"cache": False}} for path in (TABLE, CELLS)]
    stages = {
        "train": {
            "foreach": ["ct"],
            "do": {"cmd": "python train.py", "deps": ["workflow/code/train.txt"], "outs": [MODEL]},
        },
        "tabulate": {"cmd": "python tabulate.py", "deps": STAGES["tabulate"]["deps"], "outs": kept},
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    write_lock(root)
    for words in ("init -q", "add -A", "commit -q -m run --date=2026-01-31T12:00:00"):
        git(root, *words.split())
    return root


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=Ann Onym", "-c", "user.email=ann@hospital.example"]
    date = {"GIT_COMMITTER_DATE": "2026-01-31T12:00:00", "PATH": "/usr/bin:/bin", "HOME": str(root)}
    subprocess.run(["git", *who, *words], cwd=root, check=True, env=date)


def write_lock(root: Path) -> None:
    def record(path: str) -> dict[str, Any]:
        return {"path": path, "hash": "md5", "md5": file_md5(root / path), "size": (root / path).stat().st_size}

    stages = {
        name: {
            "cmd": f"python workflow/scripts/{name.partition('@')[0]}.py",
            "deps": [record(path) for path in stage["deps"]],
            "params": {"params.yaml": stage["params"]},
            "outs": [record(path) for path in stage["outs"] or (CELLS, TABLE)],
        }
        for name, stage in STAGES.items()
    }
    folder = {"path": IMAGES, "hash": "md5", "md5": "a" * 32 + ".dir", "size": 5_000_000_000, "nfiles": 888}
    stages["train@ct"]["deps"].append(folder)
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))


def write_crate(root: Path, *words: str) -> Path:
    with chdir(root):
        assert main(["crate", *words]) == 0
    return (root / words[0]).resolve()  # roc-validator takes a path with .. for another crate


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    assert len({one["@id"] for one in graph}) == len(graph)
    return {one["@id"]: one for one in graph}


def test_a_stage_is_an_action_with_its_files_and_parameters(repository: Path) -> None:
    found = entities(write_crate(repository, "../crate"))
    train = found["#stage/train@ct"]
    assert (train["description"], train["instrument"]) == (
        "python workflow/scripts/train.py",
        {"@id": "workflow/scripts/train.py"},
    )
    assert [one["@id"] for one in train["object"]] == [
        *("workflow/code/train.txt", f"#{IMAGES}/", "#params/seed", "#params/a.b")
    ]
    assert train["result"] == [{"@id": f"#{MODEL}"}]
    assert found["#params/a.b"]["value"] == '"=x"'
    model = found[f"#{MODEL}"]
    assert (model["md5"], model["contentSize"]) == (
        file_md5(repository / MODEL),
        str((repository / MODEL).stat().st_size),
    )
    images = found[f"#{IMAGES}/"]
    assert (images["@type"], images["md5"], images["contentSize"]) == ("Dataset", "a" * 32, "5000000000")
    assert {"@id": f"#{MODEL}"} in found["#stage/tabulate"]["object"]
    assert found["#control/tabulate"]["object"] == {"@id": "#stage/tabulate"}
    assert [one["@id"] for one in found["Snakefile"]["hasPart"]] == [
        *("workflow/scripts/train.py", "workflow/scripts/tabulate.py")
    ]


def test_the_crate_holds_what_git_keeps_and_no_person(repository: Path) -> None:
    crate = write_crate(repository, "../crate")
    files = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    code = {f"workflow/{folder}/{stage}" for folder, stage in (("code", "train.txt"), ("code", "tabulate.txt"))}
    scripts = {f"workflow/scripts/{stage}.py" for stage in ("train", "tabulate")}
    top = {"ro-crate-metadata.json", "Snakefile", "params.yaml", "dvc.yaml", "dvc.lock"}
    assert files == top | code | scripts | {TABLE, CELLS}
    text = (crate / "ro-crate-metadata.json").read_text(encoding="utf-8")
    assert not [word for word in ("Ann", "hospital", str(repository), str(Path.home())) if word in text]
    root = entities(crate)["./"]
    assert root["datePublished"] == "2026-01-31"
    assert root["name"] == "Stability of image classifiers: CT <1> (SYNTHETIC)"
    assert "SYNTHETIC images, generated and of no patient: CT <1>." in root["description"]


def test_the_same_commit_gives_the_same_bytes(repository: Path) -> None:
    first, second = (write_crate(repository, f"../{name}.zip").read_bytes() for name in ("a", "b"))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist()[0] == "ro-crate-metadata.json"
        assert archive.testzip() is None
    folder = write_crate(repository, "../folder")
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }


def test_a_parameter_with_another_value_is_another_entity(repository: Path) -> None:
    lock = yaml.safe_load((repository / "dvc.lock").read_text())
    lock["stages"]["tabulate"]["params"]["params.yaml"]["seed"] = 4
    (repository / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    found = entities(write_crate(repository, "../crate"))
    assert (found["#params/seed"]["value"], found["#params/seed@tabulate"]["value"]) == ("3", "4")
    assert {"@id": "#params/seed@tabulate"} in found["#stage/tabulate"]["object"]


def refused(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with chdir(root):
        assert main(["crate", *words]) == 1
    return capsys.readouterr().err


def test_what_cannot_become_a_crate_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "got dvc.yaml, which exists" in refused(repository, capsys, "dvc.yaml")
    assert "in a folder that exists, got no folder" in refused(repository, capsys, "absent/crate.zip")
    assert "--date: expected YYYY-MM-DD, got 'today'" in refused(repository, capsys, "../c", "--date", "today")
    (repository / TABLE).write_text("edited\n")
    assert f"{TABLE}: expected the MD5" in refused(repository, capsys, "../c")
    (repository / TABLE).unlink()
    assert "got no such file: run the pipeline, then `oncorobust record`" in refused(repository, capsys, "../c")
    (repository / "dvc.lock").unlink()
    assert "expected dvc.lock, got no such file" in refused(repository, capsys, "../c")
    assert not (repository.parent / "c").exists()


def test_a_date_is_needed_without_a_commit(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(repository / ".git")
    (repository / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    assert "expected --date YYYY-MM-DD, because this folder has no commit" in refused(repository, capsys, "../c")
    found = entities(write_crate(repository, "../c", "--date", "2026-02-01"))
    assert found["./"]["datePublished"] == "2026-02-01"
    assert "version" not in found["./"]


def test_a_home_folder_is_not_given_away(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "params.yaml").write_text(f"weights: {repository}/vgg16.h5\n")
    told = f"params.yaml names the folder {repository}/, which nobody else should see: use a path in the repository"
    assert told in refused(repository, capsys, "../c")
    with pytest.raises(InputError, match=r"ro-crate-metadata.json names the folder"):
        refuse_home_paths({"ro-crate-metadata.json": str(Path.home() / "x").encode()}, repository)


def validate(crate: Path, cache: Path) -> Any:
    """What roc-validator says about a crate without network, with the responses in a cache."""
    services = pytest.importorskip("rocrate_validator.services", reason="roc-validator is not installed")
    from rocrate_validator.models import Severity, ValidationSettings

    return services.validate(
        ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier="provenance-run-crate-0.5",
            requirement_severity=Severity.REQUIRED,
            offline=True,
            cache_path=cache,
        )
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of HTTP responses that holds the context of RO-Crate 1.1."""
    requests_cache = pytest.importorskip("requests_cache", reason="roc-validator is not installed")
    import requests
    from urllib3 import HTTPResponse

    class Stored(requests.adapters.BaseAdapter):
        def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
            response = requests.Response()
            response.status_code, response.url, response.request = 200, request.url, request
            response.headers["Content-Type"] = "application/ld+json"
            body = io.BytesIO(gzip.decompress(CONTEXT_FILE.read_bytes()))
            response.raw = HTTPResponse(body=body, headers=response.headers, status=200, preload_content=False)
            return response

        def close(self) -> None:
            pass

    with requests_cache.CachedSession(str(tmp_path / "http"), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Stored())
        for accepted in ("application/ld+json, application/json", "application/ld+json, application/json, */*;q=0.1"):
            session.get(CONTEXT, headers={"Accept": accepted})
    return tmp_path / "http"


def test_the_crate_passes_every_required_check_and_none_is_skipped(repository: Path, cache: Path) -> None:
    result = validate(write_crate(repository, "../crate"), cache)
    assert [issue.message for issue in result.get_issues()] == []
    assert result.passed()
    assert result.skipped_checks == set()
    assert len(result.executed_checks) >= 85


def test_the_validator_finds_what_is_missing_from_a_crate(repository: Path, cache: Path, tmp_path: Path) -> None:
    crate = write_crate(repository, "../crate")
    content = json.loads((crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    content["@graph"] = [one for one in content["@graph"] if one["@id"] != "#step/train"]
    (crate / "ro-crate-metadata.json").write_text(json.dumps(content))
    (crate / TABLE).unlink()
    messages = " ".join(issue.message for issue in validate(crate, cache).get_issues())
    assert "HowToStep" in messages
    assert f"does not include the Data Entity '{TABLE}'" in messages
    assert validate(crate, tmp_path / "empty").skipped_checks, "without the context most checks are skipped"
