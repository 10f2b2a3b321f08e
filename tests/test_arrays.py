"""Entries and slices of .npy and .npz files that rows of a manifest name, as in MedMNIST's files."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from volume_trees import write_manifest

from oncorobust.base.errors import InputError
from oncorobust.formats.arrays import ArrayFile
from oncorobust.formats.manifest import open_manifest

GREY = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
COLOUR = np.arange(4 * 6 * 7 * 3, dtype=np.uint16).astype(np.uint8).reshape(4, 6, 7, 3)
VOLUMES = np.arange(2 * 4 * 5 * 6, dtype=np.float32).reshape(2, 4, 5, 6)


def write_npz(path: Path, *, compressed: bool = True, **arrays: np.ndarray) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def read_all(folder: Path, columns: str, *rows: str) -> list[np.ndarray]:
    raw = open_manifest(write_manifest(folder, columns, *rows))
    return [raw.read(position).values for position in range(len(rows))]


@pytest.mark.parametrize("compressed", [False, True])
def test_entries_of_medmnist_like_files(tmp_path: Path, compressed: bool) -> None:
    arrays = {"train_images": GREY, "train_labels": np.zeros((5, 1), np.uint8), "test_images": GREY[::-1]}
    write_npz(tmp_path / "a.npz", compressed=compressed, **arrays)
    raw = open_manifest(
        write_manifest(tmp_path, "path,array,array_index", "a.npz,train_images,4", "a.npz,test_images,1")
    )
    assert raw.index["image_id"].tolist() == ["i1", "i0"]  # entries of one array together
    np.testing.assert_array_equal(raw.read(1).values, GREY[4])
    np.testing.assert_array_equal(raw.read(0).values, GREY[3])
    assert (raw.read(0).limits, raw.intensity_unit) == ((0, 255), "stored value")


def test_colour_and_one_channel(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", images=COLOUR)
    np.save(tmp_path / "b.npy", GREY[:, :, :, None])
    colour, grey = read_all(tmp_path, "path,array_index", "a.npz,3", "b.npy,2")
    np.testing.assert_array_equal(colour, COLOUR[3])
    np.testing.assert_array_equal(grey, GREY[2])


@pytest.mark.parametrize("order", ["C", "F"])
def test_slices_of_volumes_in_arrays(tmp_path: Path, order: str) -> None:
    np.save(tmp_path / "one.npy", np.array(VOLUMES[1], order=order))
    write_npz(tmp_path / "many.npz", volumes=np.array(VOLUMES, order=order))
    rows = ("one.npy,,3", "many.npz,1,2", "many.npz,0,middle", "one.npy,1,")
    raw = open_manifest(write_manifest(tmp_path, "path,array_index,slice", *rows))
    found = {raw.index["image_id"][place]: raw.read(place).values for place in range(4)}
    np.testing.assert_array_equal(found["i0"], VOLUMES[1][3])
    np.testing.assert_array_equal(found["i1"], VOLUMES[1][2])
    np.testing.assert_array_equal(found["i2"], VOLUMES[0][2])
    np.testing.assert_array_equal(found["i3"], VOLUMES[1][1])


def test_the_largest_area_of_a_segmentation(tmp_path: Path) -> None:
    mask = np.zeros((4, 5, 6), dtype=bool)
    mask[1, :2, :2] = mask[3, :2, :2] = True
    np.save(tmp_path / "v.npy", VOLUMES[0])
    np.save(tmp_path / "s.npy", mask)
    write_npz(tmp_path / "t.npz", seg=mask[::-1])
    first, second = read_all(tmp_path, "path,slice,segmentation", "v.npy,largest,s.npy", "v.npy,largest,t.npz")
    np.testing.assert_array_equal(first, VOLUMES[0][1])
    np.testing.assert_array_equal(second, VOLUMES[0][0])
    np.save(tmp_path / "s.npy", mask[:3])
    with pytest.raises(InputError, match=r"line 2: expected 4 x 5 x 6 voxels as in .*v\.npy, got others in .*s\.npy"):
        open_manifest(tmp_path)


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (
            "array,array_index",
            "train,0",
            r"line 2: expected one of the arrays other, train_images, got 'train' for .*a\.npz",
        ),
        (
            "array_index",
            "0",
            r"line 2: expected the column `array` to name one of the 2 arrays \(other, train_images\) in",
        ),
        (
            "array,array_index",
            "train_images,5",
            r"expected array_index from 0 to 4, got 5 for train_images of .*a\.npz",
        ),
        (
            "array",
            "train_images",
            r"expected a grey or RGB image, got 5 x 6 x 7 values in train_images of .*a\.npz; name one",
        ),
        ("array,slice", "train_images,5", r"expected slice from 0 to 4, got 5 for train_images of .*a\.npz"),
        (
            "array,slice",
            "train_images,3 mm",
            r"expected the number of a slice, because an array has no position, got mm for",
        ),
        (
            "array,plane",
            "train_images,axial",
            r"expected an empty cell of plane for a file of kind npz, got one for .*a\.npz",
        ),
        (
            "array,array_index,slice",
            "train_images,1,1",
            r"expected a volume of slices, got 6 x 7 values in train_images",
        ),
        (
            "array",
            "objects",
            r"expected an array of numbers, got pickled objects, which are not read because they can hold",
        ),
    ],
)
def test_what_an_array_does_not_have(tmp_path: Path, columns: str, row: str, message: str) -> None:
    arrays = {"train_images": GREY, "other": GREY[0]}
    if row == "objects":
        arrays["objects"] = np.array([{}, "x"], dtype=object)
    write_npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        open_manifest(write_manifest(tmp_path, f"path,{columns}", f"a.npz,{row}", f"a.npz,{row}"))


def test_an_array_that_is_shorter_than_its_header_says(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, GREY)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", stream.getvalue()[:-10])
    raw = open_manifest(write_manifest(tmp_path, "path,array_index", "a.npz,0", "a.npz,4"))
    np.testing.assert_array_equal(raw.read(0).values, GREY[0])
    message = r"expected 42 bytes of values, got 32 in images of .*a\.npz; copy it again"
    with pytest.raises(InputError, match=message):
        raw.read(1)


def test_a_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(write_npz(tmp_path / "b.npz", images=GREY).read_bytes()[:200])
    with pytest.raises(InputError, match=r"line 2: expected a readable image, got .* in .*a\.npz"):
        open_manifest(write_manifest(tmp_path, "path,array_index", "a.npz,0", "a.npz,1"))


def test_entries_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the manifest orders its rows, the compressed array is opened once and read forward."""
    write_npz(tmp_path / "a.npz", images=GREY)
    opened, places = [], []
    start, read = ArrayFile.__init__, ArrayFile.read

    def note_open(self: ArrayFile, path: Path, name: str | None) -> None:
        opened.append(name)
        start(self, path, name)

    def note_read(self: ArrayFile, index: int) -> np.ndarray:
        places.append(index)
        return read(self, index)

    raw = open_manifest(write_manifest(tmp_path, "path,array_index", *(f"a.npz,{entry}" for entry in (3, 0, 4, 1, 2))))
    monkeypatch.setattr(ArrayFile, "__init__", note_open)
    monkeypatch.setattr(ArrayFile, "read", note_read)
    for position in range(5):
        raw.read(position)
    assert (opened, places) == (["images"], [0, 1, 2, 3, 4])
    assert raw.index["image_id"].tolist() == ["i1", "i3", "i4", "i0", "i2"]


def test_names_that_a_terminal_would_obey_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"\x1b[2Jimages": GREY})
    with pytest.raises(
        InputError, match=r"line 2: expected names of arrays in plain characters, got U\+001B in .*a\.npz"
    ):
        open_manifest(write_manifest(tmp_path, "path,array_index", "a.npz,0", "a.npz,1"))
    with pytest.raises(InputError, match=r"line 2: expected array of plain characters, got U\+001B"):
        open_manifest(write_manifest(tmp_path, "path,array", "a.npz,\x1b[2Jimages", "a.npz,x"))
