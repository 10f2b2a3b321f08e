"""Results go to a remote and come back: a folder, an S3-compatible server, an SSH server; secrets stay where they are.

The toy pipeline is run twice, the second time with another seed; the first results have the tag v1. Both versions go to
each kind of remote, and a clone fetches from each. The servers run on this machine (`remote_servers`). All commands of
one checkout print into one list, in which a planted secret is looked for at the end.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml
from remote_servers import s3_server, ssh_server

from oncorobust.base.errors import InputError
from oncorobust.pipeline.dvc_lock import parse_lock, recorded_md5
from oncorobust.trace.repository import State

SECRET = "pl4nted-s3cret"
KEYS = f"AWS_ACCESS_KEY_ID={SECRET}-id AWS_SECRET_ACCESS_KEY={SECRET}"
NOTHING = "Nothing to be done"
ROWS = "reports/mnist/clean/predictions.csv"
LARGE = ["data/processed/mnist/images.npy", "models/mnist/clean.keras", "models/mnist/adversarial.keras"]


@dataclass(frozen=True)
class Checkout:
    """A repository, and all that the commands in it and in its clones have printed."""

    folder: Path
    printed: list[str]

    def run(self, command: str) -> str:
        self.printed.append(toy.run(self.folder, command))
        return self.printed[-1]

    def clone(self, name: str) -> "Checkout":
        self.run(f"git clone -q . ../{name}")
        return Checkout(self.folder.parent / name, self.printed)

    def get_old(self, path: str, environment: str = "") -> bytes:
        """What `dvc get --rev v1` fetches."""
        self.run(f"{environment} dvc get -v . {path} --rev v1 --out ../old && mv ../old .old")
        return (self.folder / ".old").read_bytes()


@pytest.fixture(scope="module")
def old() -> dict[str, bytes]:
    """The contents of the tagged results, by path; filled by `first`."""
    return {}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a server with the bucket results."""
    with s3_server("results") as url:
        yield url


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, old: dict[str, bytes], s3: str) -> Iterator[Checkout]:
    """The toy with two versions of results, in a folder of its own; DVC's own caches lie there, too."""
    root = tmp_path_factory.mktemp("remotes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(root / "site"))
        checkout = Checkout(toy.make_toy(root / "first", toy.small_params()), [])
        # All remotes are in the configuration before the first version: a version is read with its own.
        checkout.run("dvc remote add bucket s3://results/oncorobust")
        checkout.run(f"dvc remote modify bucket endpointurl {s3}")
        checkout.run("snakemake --cores 2 && oncorobust record && git add -A && git commit -qm one && git tag v1")
        checkout.run("dvc push")
        old.update({path: (checkout.folder / path).read_bytes() for path in [ROWS, *toy.OUTPUTS["tabulate"]]})
        toy.write_params(checkout.folder, toy.small_params() | {"seed": 1})
        checkout.run("dvc repro -q && git add -A && git commit -qm two && dvc push")
        yield checkout


@pytest.fixture(scope="module")
def from_s3(first: Checkout) -> Checkout:
    """A clone that pulled from S3 with keys in its environment; the toy pushed with keys in config.local."""
    first.run(f"dvc remote modify --local bucket access_key_id {SECRET}-id")
    first.run(f"dvc remote modify --local bucket secret_access_key {SECRET}")
    assert "files pushed" in first.run("dvc push -v --all-tags -r bucket")
    clone = first.clone("from_s3")
    clone.run(f"{KEYS} dvc pull -v -r bucket && oncorobust sync && dvc config --local core.remote bucket")
    return clone


@pytest.fixture(scope="module")
def from_ssh(first: Checkout) -> Iterator[Checkout]:
    """A clone that pulled over SSH; the password stands in the URL."""
    store = first.folder.parent / "ssh_store"
    store.mkdir()
    with ssh_server(store, SECRET) as port:
        add = f"dvc remote add --local --default server ssh://someone:{SECRET}@127.0.0.1:{port}/oncorobust"
        first.run(f"{add} && dvc push -v --all-tags && dvc config --local --unset core.remote")
        clone = first.clone("from_ssh")
        clone.run(f"{add} && dvc pull -v")
        yield clone


def check_results(clone: Checkout, first: Checkout) -> None:
    """Every output that dvc.lock records is there with the same bytes."""
    stages = yaml.safe_load((first.folder / "dvc.lock").read_text())["stages"].values()
    written = [first.folder / out["path"] for stage in stages for out in stage["outs"]]
    files = [file for path in written for file in ([path] if path.is_file() else path.iterdir())]
    compared = [file.relative_to(first.folder) for file in files if file.name != ".snakemake_timestamp"]
    assert len(compared) > 40
    assert [path for path in compared if (clone.folder / path).read_bytes() != (first.folder / path).read_bytes()] == []


@pytest.mark.slow
def test_a_folder_takes_and_gives_back(first: Checkout, old: dict[str, bytes]) -> None:
    clone = first.clone("from_folder")
    clone.run("dvc pull")
    check_results(clone, first)
    assert clone.get_old(ROWS) == old[ROWS] != (first.folder / ROWS).read_bytes()
    assert not (clone.folder / ".dvc" / "config.local").exists()


@pytest.mark.slow
def test_large_files_are_hard_links_to_the_cache(first: Checkout) -> None:
    assert 'type = "hardlink,symlink"' in (first.folder / ".dvc" / "config").read_text()
    cache = first.folder / ".dvc" / "cache" / "files" / "md5"
    lock = parse_lock((first.folder / "dvc.lock").read_text())
    for path in LARGE:
        md5 = recorded_md5(lock, path)
        assert md5 is not None
        assert (first.folder / path).samefile(cache / md5[:2] / md5[2:]), path


@pytest.mark.long
def test_a_clone_that_only_pulled_from_s3_has_nothing_to_run(
    first: Checkout, from_s3: Checkout, old: dict[str, bytes]
) -> None:
    check_results(from_s3, first)
    assert NOTHING in from_s3.run("snakemake -n")
    assert "Running stage" not in from_s3.run("dvc repro --no-commit")
    assert from_s3.get_old(ROWS, KEYS) == old[ROWS] != (first.folder / ROWS).read_bytes()
    table = "reports/tables/table1.csv"  # in git
    assert from_s3.get_old(table, KEYS) == old[table] != (first.folder / table).read_bytes()


@pytest.mark.long
def test_a_clone_pulls_over_ssh(first: Checkout, from_ssh: Checkout, old: dict[str, bytes]) -> None:
    check_results(from_ssh, first)
    assert from_ssh.get_old(ROWS) == old[ROWS] != (first.folder / ROWS).read_bytes()


@pytest.mark.long
def test_secrets_of_remotes_stay_in_config_local(first: Checkout, from_s3: Checkout, from_ssh: Checkout) -> None:
    holders = [first.folder / ".dvc" / "config.local", from_ssh.folder / ".dvc" / "config.local"]
    files = [path for path in first.folder.parent.rglob("*") if path.is_file()]
    assert {path for path in files if SECRET.encode() in path.read_bytes()} == set(holders)
    for checkout in (first, from_s3, from_ssh):
        history = subprocess.run(["git", "log", "--all", "-p"], cwd=checkout.folder, stdout=subprocess.PIPE, check=True)
        assert SECRET.encode() not in history.stdout
        assert (checkout.folder / ".snakemake").is_dir() or checkout is from_ssh
    assert (first.folder / "logs").is_dir()
    assert len("".join(first.printed)) > 10_000, "dvc was asked to be verbose"
    assert SECRET not in "".join(first.printed)


@pytest.mark.long
def test_config_local_is_never_committed(first: Checkout, from_ssh: Checkout) -> None:
    for checkout in (first, from_ssh):
        assert (checkout.folder / ".dvc" / "config.local").is_file()
        toy.run(checkout.folder, "git add -A")
        assert "config.local" not in toy.run(checkout.folder, "git ls-files")
    tracked = toy.run(toy.REPOSITORY, "git check-ignore .dvc/config.local")
    assert tracked.strip() == ".dvc/config.local"


@pytest.mark.parametrize(
    "url", [f"ssh://someone:{SECRET}@127.0.0.1:1/results", f"ssh://{SECRET}:p@ss@127.0.0.1:1/results", "s3://results"]
)
def test_a_trace_without_its_remote_is_refused_without_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot connect to {url}")

    import dvc.api

    monkeypatch.setattr(dvc.api, "open", fail)
    with pytest.raises(
        InputError, match=r"cannot get rows\.csv from the work tree, DVC's cache or its remote: cannot connect"
    ) as got:
        State(tmp_path, "v1").read_recorded("rows.csv", "0" * 32)
    assert SECRET not in str(got.value)
    assert "p@ss" not in str(got.value)
