"""What changes the digest of a file's code and what does not; old digests are refused by both runners and by stages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_pipeline as toy
from fault_tools import run_stage, tiny_repository

from oncorobust.base.errors import InputError
from oncorobust.base.run_state import RunState
from oncorobust.pipeline import code_digest, code_record, stage_state
from oncorobust.pipeline.code_digest import content_digest, file_digest
from oncorobust.pipeline.code_record import check_script, digests_out_of_step, parse_digests, write_digests
from oncorobust.pipeline.dvc_yaml import check_in_step

EVERYTHING = '''
"""A module with every kind of node that versions of Python treat in their own way."""
from __future__ import annotations
import os.path as p, sys
from ..base import errors

@dec(1)
async def f(a: int, /, b: str = "x", *args: float, c=None, **kw) -> "T":
    """Docstring."""
    x: list[int] = [1, 2.5, 1e999, 3j, -0.0, b"\\x00\\xff", ..., None, True, "\\u00e9\\U0001f600\\x7f\\u200b", u"u"]
    """The docstring of an attribute."""
    y = f"a{x!r:>{b}}b" "c" f"{{}}{a=}" f"{x:}" f"" f"{x:%H:%M}{'q'}" rf"\\d{x}"
    match x:
        case [1, *_] | {"k": None, **rest} if a: pass
        case P(1, z=True) as q: return
        case None | "s" | -1: return None
        case _: ...
    with (a as b, c as d): pass
    async for i in g(): await i
    try: pass
    except* (A, B) as e: raise X from e
    l = lambda q, *, r=1: (yield)
    return {**kw, 1: 2}, {1}, [i for i in x if i], x[1:2, ::3], a if b else c, (n := 1), not a < b <= c

class C(B, metaclass=M):
    """Docstring."""
    z: int
    (w): int = 1
'''
DIGEST_OF_EVERYTHING = "dde5ff48dd20587905552a583b8d7ab1"


def digest(code: str) -> str:
    return content_digest("module.py", code.encode())


def test_every_version_of_python_gives_the_same_digest() -> None:
    """The value was the same on 3.11.7, 3.12.1 and 3.13.0; the digests in workflow/code prove it for the real code."""
    assert digest(EVERYTHING) == DIGEST_OF_EVERYTHING


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1  # one\n\n# and done"),
        ("def f():\n    return 1", 'def f():\n    """Return one."""\n    return 1'),
        ('"""Old."""\nclass C:\n    x: int\n    """Old."""\n    y = 1', '"""New."""\nclass C:\n    x: int\n    y = 1'),
        ("f(a,\n  b)", "f( a, b, )"),
        ("x = (1 + 2)", "x = 1 + \\\n    2"),
        ("x = 'a' \"b\"", 'x = "ab"'),
        ('x = f"a{b}" "c"', "x = f'a{b}c' ''"),
        ("x = 0x10, 1_000", "x = 16, 1000"),
        ("if a: b()", "if a:\n\n        b()"),
        ("x = 1  # type: int", "x = 1"),
        ("x = 1\n", "x = 1\r\n"),
        ("# é\nx = 1", "x = 1"),
    ],
)
def test_what_decides_nothing_does_not_count(one: str, other: str) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = '1'", "x = b'1'"),
        ("x = None", "x = ''"),
        ("x = 'None'", "x = None"),
        ("x = 'a'", "x = a"),
        ("x = 'é'", "x = 'e\u0301'"),
        ("x = a + b", "x = a - b"),
        ("x = a < b", "x = a <= b"),
        ("def f(a=1): ...", "def f(a=2): ..."),
        ("def f(a, *, b=None): ...", "def f(a, *, b): ..."),
        ("def f(a, b): ...", "def f(a, *, b): ..."),
        ("def f(a: int): ...", "def f(a: float): ..."),
        ("def f() -> int: ...", "def f(): ..."),
        ("x: int = 1", "x = 1"),
        ("@cache\ndef f(): ...", "def f(): ..."),
        ("import a", "import a\nimport b"),
        ("import a as b", "import b as a"),
        ("from . import a", "from .. import a"),
        ("a()\nb()", "b()\na()"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("x = f'{a}'", "x = f'{b}'"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = f'{a:.2f}'", "x = f'{a:.3f}'"),
        ("x = f'{a} '", "x = f' {a}'"),
        ("x = f'{a}b'", "x = f'{a}{\"b\"}'"),
        ("match a:\n    case 1: ...", "match a:\n    case 2: ..."),
        ("match a:\n    case None: ...", "match a:\n    case True: ..."),
        ("match a:\n    case [b, *c]: ...", "match a:\n    case [b, c]: ..."),
        ("f = lambda a: a", "f = lambda a: -a"),
        ("x = {**a, b: c}", "x = {b: c, **a}"),
        ("x = a[1:]", "x = a[:1]"),
        ("return_ = [a for a in b]", "return_ = (a for a in b)"),
        ("def f():\n    yield a", "def f():\n    await_ = a"),
        ("x = (y := 1)", "x = y = 1"),
        ("try:\n    a\nexcept E:\n    b", "try:\n    a\nfinally:\n    b"),
        ("f('docstring')", "'docstring'"),
        ("x = 1", ""),
    ],
)
def test_what_decides_something_counts(one: str, other: str) -> None:
    assert digest(one) != digest(other)


def test_data_files_count_by_their_bytes_and_two_files_by_their_places(tmp_path: Path) -> None:
    assert content_digest("a.csv", b"1 # comment\n") != content_digest("a.csv", b"1\n")
    assert content_digest("a.csv", b"row\n") == "f659e88ad9b9a1e7a29f69ef3a35b09f", "as md5sum prints it"
    scripts = tmp_path / "workflow" / "scripts"
    package = tmp_path / "src" / "oncorobust"
    scripts.mkdir(parents=True)
    package.mkdir(parents=True)
    (scripts / "train.py").write_text("import oncorobust.a, oncorobust.b\n")
    for name, text in (("__init__", ""), ("a", "x = 1\n"), ("b", "x = 2\n")):
        (package / f"{name}.py").write_text(text)
    assert write_digests(tmp_path, "train")
    assert not write_digests(tmp_path, "train")
    (package / "a.py").write_text("x = 2\n")
    (package / "b.py").write_text("x = 1\n")
    assert digests_out_of_step(tmp_path, "train") == [
        "train: src/oncorobust/a.py has changed",
        "train: src/oncorobust/b.py has changed",
    ]
    assert write_digests(tmp_path, "train")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A repository of three modules and a table, whose digests are recorded and were found right."""
    files = {
        "workflow/scripts/train.py": "import oncorobust.a, oncorobust.b\n",
        "src/oncorobust/__init__.py": "",
        "src/oncorobust/a.py": "x = 'table.csv'\n",
        "src/oncorobust/b.py": "x = 2\n",
        "src/oncorobust/table.csv": "1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert write_digests(tmp_path, "train")
    assert digests_out_of_step(tmp_path, "train") == []
    return tmp_path


def test_code_that_was_found_right_is_not_parsed_again(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(code_record, "stage_digests", lambda *_: pytest.fail("parsed again"))
        assert digests_out_of_step(library, "train") == []
    with (library / "src/oncorobust/b.py").open("a") as module:
        module.write("# a comment\n")
    assert digests_out_of_step(library, "train") == []


@pytest.mark.parametrize(
    ("name", "old", "new", "seen"),
    [
        ("src/oncorobust/a.py", b"x", b"y", ["src/oncorobust/a.py has changed"]),
        ("src/oncorobust/b.py", b"2", b"3", ["src/oncorobust/b.py has changed"]),
        ("src/oncorobust/table.csv", b"1", b"2", ["src/oncorobust/table.csv has changed"]),
        (
            "workflow/scripts/train.py",
            b"oncorobust.b",
            b"oncorobust.a",
            ["src/oncorobust/b.py is no longer used", "workflow/scripts/train.py has changed"],
        ),
    ],
)
def test_an_edit_that_changes_neither_size_nor_time_is_seen(
    library: Path, name: str, old: bytes, new: bytes, seen: list[str]
) -> None:
    path = library / name
    before, content = path.stat(), path.read_bytes()
    for changed, expected in ((content.replace(old, new), [f"train: {one}" for one in seen]), (content, [])):
        path.write_bytes(changed)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        code_digest._read_version.cache_clear()  # a process keeps what it has read; the next one starts without it
        assert digests_out_of_step(library, "train") == expected


def test_where_nothing_can_be_kept_code_is_compared_each_time(library: Path) -> None:
    shutil.rmtree(library / ".cache")
    (library / ".cache").write_text("in the way")
    assert digests_out_of_step(library, "train") == []
    (library / "src/oncorobust/b.py").write_text("x = 3\n")
    assert digests_out_of_step(library, "train") == ["train: src/oncorobust/b.py has changed"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected Python, got .* in module\.py"):
        digest("def (:")
    with pytest.raises(InputError, match=r"expected Python, got .* in module\.py"):
        content_digest("module.py", b"x = '\xff'\n")
    with pytest.raises(InputError, match=r"expected a script or module, got .*absent\.py"):
        file_digest(tmp_path / "absent.py")
    with pytest.raises(InputError, match=r"expected a file of the library, got .*absent\.csv"):
        file_digest(tmp_path / "absent.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_toy(tmp_path_factory.mktemp("digests"), toy.small_params())


@pytest.fixture
def edited(folder: Path) -> Iterator[Path]:
    """A repository whose digests are put back after each test, as is the module that is edited."""
    kept = [folder / "src/oncorobust/training/loop.py", *(folder / "workflow" / "code").iterdir()]
    before = {path: path.read_bytes() for path in kept}
    yield folder
    for path, content in before.items():
        path.write_bytes(content)


def edit(folder: Path) -> None:
    with (folder / "src/oncorobust/training/loop.py").open("a") as module:
        module.write("ADDED = 1\n")


@pytest.mark.long
def test_an_old_digest_is_refused_by_check_snakemake_and_record(edited: Path) -> None:
    edit(edited)
    difference = "train: src/oncorobust/training/loop.py has changed"
    expected = f"the graph is out of step ({difference} and 3 more): run `oncorobust graph`"
    with pytest.raises(InputError) as refused:
        check_in_step(edited)
    assert str(refused.value) == expected
    assert toy.run(edited, "oncorobust check", status=1) == f"oncorobust: {expected}\n"
    assert expected in toy.run(edited, "snakemake -n 2>&1", status=1)
    assert expected in toy.run(edited, "oncorobust record", status=1).replace("\n", " ")
    assert not (edited / "dvc.lock").exists()
    printed = toy.run(edited, "oncorobust graph --check", status=1)
    assert printed.splitlines() == [
        f"{stage}: src/oncorobust/training/loop.py has changed" for stage in ("train", "harden", "smooth", "repeat")
    ]
    assert toy.run(edited, "oncorobust graph") == "updated dvc.yaml and workflow/code\n"
    check_in_step(edited)


def test_every_difference_between_record_and_code_is_named(edited: Path) -> None:
    path = edited / "workflow" / "code" / "train.txt"
    text = path.read_text()
    listed = parse_digests(text.encode())
    assert list(listed) == sorted(listed)
    assert listed["workflow/scripts/train.py"] == file_digest(edited / "workflow" / "scripts" / "train.py")
    path.write_text(text.replace("src/oncorobust/training/loop.py", "src/oncorobust/training/old.py"))
    assert digests_out_of_step(edited, "train") == [
        "train: src/oncorobust/training/loop.py is new",
        "train: src/oncorobust/training/old.py is no longer used",
    ]
    path.write_text(text + "<<<<<<< conflict\n")
    assert digests_out_of_step(edited, "train") == [
        "train: workflow/code/train.txt is not as `oncorobust graph` writes it"
    ]
    path.unlink()
    assert digests_out_of_step(edited, "train") == ["train: workflow/code/train.txt is missing"]


def test_only_scripts_of_stages_have_digests(edited: Path, tmp_path: Path) -> None:
    edit(edited)
    check_script(edited / "workflow" / "scripts" / "tabulate.py")
    check_script(tmp_path / "of_my_own.py")
    with pytest.raises(InputError, match=r"\(train: src/oncorobust/training/loop\.py has changed\)"):
        check_script(edited / "workflow" / "scripts" / "train.py")


@pytest.mark.slow
def test_a_stage_refuses_an_old_digest(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tiny_repository(tmp_path_factory.mktemp("stage") / "checkout")
    edit(folder)
    said = run_stage(folder, "train", "--dataset", "slices", status=1)
    assert said.splitlines()[-1].startswith(
        "error: the graph is out of step (train: src/oncorobust/training/loop.py has changed): run `oncorobust graph`"
    )
    assert not (folder / "models").exists()


def test_a_state_is_kept_over_a_changed_comment_and_given_up_after_a_changed_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/processed/lidc").mkdir(parents=True)
    Path("data/processed/lidc/images.npy").write_text("pixels")
    Path("data/processed/lidc/index.csv").write_text("rows")
    module = tmp_path / "loop.py"
    monkeypatch.setattr(stage_state, "running_code", lambda: [module])

    def state() -> RunState:
        return stage_state.stage_state("models/.state", dataset="lidc", decided_by=[1], starts_from=[])

    module.write_text("x = 1\n")
    state().save("epoch 1", {}, {})
    module.write_text('"""Docstring."""\n\nx = 1  # one\n')
    assert state().load() is not None
    module.write_text("x = 2\n")
    other = state()
    assert other.load() is None
    assert other.stale
