"""An edit below a raw tree is noticed by both runners, by record and by trace; a touched file changes nothing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_pipeline as toy
import yaml

from oncorobust.base import layout
from oncorobust.base.errors import InputError
from oncorobust.pipeline import raw_tree
from oncorobust.pipeline.raw_tree import (
    check_same,
    differences,
    edits,
    look,
    mark_edited,
    parse_fingerprint,
    write_fingerprint,
)
from oncorobust.pipeline.sync import record

HOUR_NS = 3600 * 10**9


def in_place(tree: Path) -> None:
    with (tree / "sub" / "1.png").open("r+b") as stream:
        stream.write(b"edited")


def in_place_with_its_old_time(tree: Path) -> None:
    before = (tree / "sub" / "1.png").stat()
    in_place(tree)
    os.utime(tree / "sub" / "1.png", ns=(before.st_atime_ns, before.st_mtime_ns))


def added(tree: Path) -> None:
    (tree / "sub" / "deep" / "3.png").write_bytes(b"image3")


def removed(tree: Path) -> None:
    (tree / "sub" / "deep" / "2.png").unlink()


def renamed(tree: Path) -> None:
    (tree / "sub" / "1.png").rename(tree / "sub" / "one.png")


EDITS: dict[Callable[[Path], None], list[str]] = {
    in_place: ["sub/1.png has changed"],
    in_place_with_its_old_time: ["sub/1.png has changed"],
    added: ["sub/deep/3.png is new"],
    removed: ["sub/deep/2.png is missing"],
    renamed: ["sub/1.png is missing", "sub/one.png is new"],
}


def touched(tree: Path) -> None:
    for path in tree.rglob("*"):
        os.utime(path)


def fill(tree: Path) -> None:
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "sub" / "1.png").write_bytes(b"image1")
    (tree / "sub" / "deep" / "2.png").write_bytes(b"image2")
    for path in tree.rglob("*.png"):
        os.utime(path, ns=(HOUR_NS, HOUR_NS))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree with the raw tree `case` and its fingerprint; its files are as good as settled."""
    monkeypatch.setattr(raw_tree, "SETTLED_NS", 0)
    fill(tmp_path / layout.raw("case"))
    fingerprint = tmp_path / layout.raw_tree_file("case")
    fingerprint.parent.mkdir(parents=True)
    write_fingerprint(fingerprint, look(tmp_path, "case"))
    return tmp_path


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_kind_of_edit_is_named(root: Path, edit: Callable[[Path], None]) -> None:
    assert edits(root, "case") == []
    edit(root / layout.raw("case"))
    assert edits(root, "case") == EDITS[edit]
    assert edits(root, "case") == EDITS[edit], "a second look forgets nothing"


def test_only_files_whose_size_or_times_changed_are_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = raw_tree._hash
    monkeypatch.setattr(raw_tree, "_hash", lambda path, stamp: (read.append(path.name), real(path, stamp))[1])
    look(root, "case")
    assert read == []
    os.utime(root / layout.raw("case") / "sub" / "1.png")
    assert edits(root, "case") == []
    assert read == ["1.png"]
    look(root, "case")
    assert read == ["1.png"]


def test_a_file_that_changed_just_now_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second edit within one tick of the file system's clock leaves the stamp of the first."""
    monkeypatch.setattr(raw_tree, "SETTLED_NS", HOUR_NS)
    read: list[str] = []
    real = raw_tree._hash
    monkeypatch.setattr(raw_tree, "_hash", lambda path, stamp: (read.append(path.name), real(path, stamp))[1])
    os.utime(root / layout.raw("case") / "sub" / "1.png")
    for _ in range(2):
        look(root, "case")
    assert read == ["1.png", "1.png"]


def test_links_are_followed_and_files_of_the_runners_left_out(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree, other = root / layout.raw("case"), tmp_path_factory.mktemp("disk")
    (other / "9.png").write_bytes(b"image9")
    (tree / "disk").symlink_to(other)
    (tree / "disk" / "round").symlink_to(tree)
    (tree / "nothing").symlink_to(tree / "absent")
    for name in (".snakemake_timestamp", ".train.state", ".images.part.npy"):
        (tree / name).write_text("")
    assert edits(root, "case") == ["disk/9.png is new", "disk/round -> . is new"]
    write_fingerprint(root / layout.raw_tree_file("case"), look(root, "case"))
    (other / "9.png").write_bytes(b"imageX")
    assert edits(root, "case") == ["disk/9.png has changed"]


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_link_inside_the_tree_that_is_turned_to_another_folder_is_an_edit(root: Path, name: str) -> None:
    """Files are read through it, whichever of the two comes first in the alphabet."""
    tree = root / layout.raw("case")
    for release in ("release1", "release2"):
        (tree / release).mkdir()
        (tree / release / "0.png").write_bytes(release.encode())
    (tree / name).symlink_to("release1")
    write_fingerprint(root / layout.raw_tree_file("case"), look(root, "case"))
    assert edits(root, "case") == []
    (tree / name).unlink()
    (tree / name).symlink_to("release2")
    assert edits(root, "case") == [f"{name} -> release1 is missing", f"{name} -> release2 is new"]
    mark_edited(root, ["case"])
    assert (root / layout.raw_tree_file("case")).stat().st_mtime < 10


def test_two_links_to_one_folder_outside_are_told_apart(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    tree, disks = root / layout.raw("case"), [tmp_path_factory.mktemp("disk") for _ in range(2)]
    for place, disk in enumerate(disks):
        (disk / "9.png").write_bytes(b"image")
        (tree / f"disk{place}").symlink_to(disk)
    (tree / "current").symlink_to(disks[0])
    write_fingerprint(root / layout.raw_tree_file("case"), look(root, "case"))
    (tree / "current").unlink()
    (tree / "current").symlink_to(disks[1])
    assert edits(root, "case")


def test_the_fingerprint_has_no_name_and_no_time(root: Path) -> None:
    text = (root / layout.raw_tree_file("case")).read_text()
    assert text.splitlines() == [
        "path_md5,bytes,md5",
        # printf %s sub/deep/2.png | md5sum; printf image2 | md5sum
        "816723221d07d6c23be58be006d9ec4e,6,943359f44dc87f6a1679c987280e8dc7",
        "8978c6a5e86b3a321079ffc57296a42d,6,b5e7d988cfdb78bc3be1a9c221a8f744",
    ]
    touched(root / layout.raw("case"))
    (root / layout.hashes_file("case")).unlink()
    write_fingerprint(root / layout.raw_tree_file("case"), look(root, "case"))
    assert (root / layout.raw_tree_file("case")).read_text() == text


@pytest.mark.parametrize("kept", ["", "{", "[1]", '{"sub/1.png": 3}', '{"sub/1.png": ["a"]}'])
def test_what_was_kept_may_be_lost_or_damaged(root: Path, kept: str) -> None:
    (root / layout.hashes_file("case")).write_text(kept)
    assert edits(root, "case") == []
    in_place(root / layout.raw("case"))
    assert edits(root, "case") == EDITS[in_place]


def test_names_that_are_not_text_are_files_like_others(root: Path) -> None:
    strange = os.fsencode(root / layout.raw("case")) + b"/\xff,\n\"'.png"
    Path(os.fsdecode(strange)).write_bytes(b"image")
    assert len(edits(root, "case")) == 1
    write_fingerprint(root / layout.raw_tree_file("case"), look(root, "case"))
    assert edits(root, "case") == []


@pytest.mark.parametrize(
    "content", [b"", b"epoch,accuracy\n", b"path_md5,bytes,md5\na,b,c\n", b"path_md5,bytes,md5\na\n"]
)
def test_a_fingerprint_of_another_form_is_refused_and_counts_as_an_edit(root: Path, content: bytes) -> None:
    with pytest.raises(InputError, match="expected rows path_md5,bytes,md5 of a raw tree, got "):
        parse_fingerprint(content)
    (root / layout.raw_tree_file("case")).write_bytes(content)
    assert len(edits(root, "case")) == 1


def test_a_file_that_is_missing_and_was_never_seen_here_has_only_its_md5(root: Path) -> None:
    recorded = parse_fingerprint((root / layout.raw_tree_file("case")).read_bytes())
    removed(root / layout.raw("case"))
    (root / layout.hashes_file("case")).unlink()
    assert differences(recorded, look(root, "case")) == [
        "a file (MD5 of its path: 816723221d07d6c23be58be006d9ec4e) is missing"
    ]


def test_the_mark_keeps_the_content_and_the_link_that_others_share(root: Path) -> None:
    path, cache = root / layout.raw_tree_file("case"), root / "object"
    os.link(path, cache)
    content, times = path.read_bytes(), cache.stat().st_mtime_ns
    mark_edited(root, ["case", "absent"])
    assert path.stat().st_mtime_ns == times
    in_place(root / layout.raw("case"))
    mark_edited(root, ["case"])
    assert path.stat().st_mtime == 1
    assert (path.read_bytes(), cache.read_bytes(), cache.stat().st_mtime_ns) == (content, content, times)


def test_a_stage_refuses_a_tree_that_changes_while_it_runs(root: Path) -> None:
    before = look(root, "case")
    touched(root / layout.raw("case"))
    check_same(before, root, "case")
    added(root / layout.raw("case"))
    with pytest.raises(InputError, match=r"^data/raw/case: sub/deep/3.png is new while the stage ran, so its outputs"):
        check_same(before, root, "case")


@pytest.fixture(scope="module", params=["linked", pytest.param("real", marks=pytest.mark.long)])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy whose two data sets Snakemake processed and DVC recorded; the tree of `slices` may be a link."""
    folder = toy.make_toy(tmp_path_factory.mktemp("place") / "checkout")
    tree = folder / layout.raw("slices")
    if request.param == "linked":
        tree.rename(folder.parent / "hospital")
        tree.symlink_to(Path("../../../hospital"))
    fill(tree)
    made = " ".join(layout.images_file(dataset) for dataset in ("mnist", "slices"))
    toy.run(folder, f"snakemake --cores 2 {made} && oncorobust record")
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy of it, with the linked tree."""
    return Path(shutil.copytree(ran.parent, tmp_path / "place", symlinks=True)) / "checkout"


def lock(folder: Path) -> dict[str, object]:
    stages: dict[str, object] = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    return stages


def preprocessed(folder: Path) -> set[str]:
    """The data sets that Snakemake would process again."""
    return {name.partition("@")[2] for name in toy.snakemake_plan(folder).needed if name.startswith("preprocess@")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit",
    [in_place, *(pytest.param(one, marks=pytest.mark.long) for one in (added, removed))],
    ids=lambda edit: edit.__name__,
)
def test_both_runners_and_record_notice_an_edit(folder: Path, edit: Callable[[Path], None]) -> None:
    assert preprocessed(folder) == set()
    before = lock(folder)
    assert set(before) == {"acquire@mnist", "preprocess@mnist", "preprocess@slices"}
    edit(folder / layout.raw("slices"))
    assert preprocessed(folder) == {"slices"}
    assert "data/raw/slices" in toy.run(folder, "dvc status preprocess@slices")
    recorded = record(folder)
    assert "preprocess@slices" in recorded.pending
    assert lock(folder) == before
    toy.run(folder, "snakemake --touch --cores 1 data/processed/slices/images.npy")
    assert preprocessed(folder) == {"slices"}, "times alone do not hide an edit"
    toy.run(folder, "snakemake --cores 1 data/processed/slices/images.npy")
    assert preprocessed(folder) == set()
    assert "preprocess@slices" in record(folder).committed
    assert lock(folder)["preprocess@slices"] != before["preprocess@slices"]
    assert "up to date" in toy.run(folder, "dvc status preprocess@slices")


@pytest.mark.long
def test_an_edit_that_is_taken_back_runs_preprocess_once(folder: Path) -> None:
    """`record` then links outputs to DVC's objects of the first run, which are older than the folder of the tree."""
    image = folder / layout.raw("slices") / "1.png"
    for edit in (lambda: image.write_bytes(b"new"), image.unlink):
        edit()
        assert preprocessed(folder) == {"slices"}
        toy.run(folder, "snakemake --cores 1 data/processed/slices/images.npy")
        record(folder)
        assert preprocessed(folder) == set()


@pytest.mark.slow
def test_a_touched_file_runs_nothing(folder: Path) -> None:
    touched(folder / layout.raw("slices") / "sub")
    assert preprocessed(folder) == set()
    assert "up to date" in toy.run(folder, "dvc status preprocess@slices")
    before = lock(folder)
    record(folder)
    assert lock(folder) == before


@pytest.mark.slow
def test_record_refuses_a_tree_that_changes_after_it_was_planned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "dvc.lock").read_bytes()
    monkeypatch.setattr("oncorobust.pipeline.sync._refuse_altered", lambda _: in_place(folder / layout.raw("slices")))
    with pytest.raises(
        InputError, match=r"data/raw/slices is not the tree that preprocess ran on \(sub/1.png has chan"
    ):
        record(folder)
    assert (folder / "dvc.lock").read_bytes() == before


@pytest.mark.long
def test_an_edit_of_a_tree_that_acquire_made_is_noticed_and_not_recorded_as_acquires(folder: Path) -> None:
    image = folder / layout.raw("mnist") / "images.idx"
    content = image.read_bytes()
    image.unlink()  # as an editor: DVC's link is read-only
    image.write_bytes(content[::-1])
    os.utime(image, (stamp := image.stat().st_mtime + 5, stamp))
    assert preprocessed(folder) == {"mnist"}
    assert "data/raw/mnist" in toy.run(folder, "dvc status preprocess@mnist")
    before = (folder / "dvc.lock").read_bytes()
    with pytest.raises(
        InputError, match="data/raw/mnist has changed since acquire wrote it: remove it and run snakemake"
    ):
        record(folder)
    assert (folder / "dvc.lock").read_bytes() == before
    shutil.rmtree(image.parent)
    toy.run(folder, "snakemake --cores 1 data/raw/mnist data/processed/mnist/images.npy")  # as the target all
    record(folder)
    assert preprocessed(folder) == set()
    assert (folder / "dvc.lock").read_bytes() == before


@pytest.mark.slow
def test_dvc_repro_notices_an_edit_and_snakemake_agrees_with_it(folder: Path) -> None:
    in_place(folder / layout.raw("slices"))
    toy.run(folder, "dvc repro -q preprocess@slices")
    assert edits(folder, "slices") == []
    assert "up to date" in toy.run(folder, "dvc status preprocess@slices")
