"""A manifest beside image files: what its columns mean, and the line that is named when one is wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oncorobust.base.errors import InputError
from oncorobust.formats.manifest import open_manifest, read_listed

HEADER = "image_id,path,label,patient_id"
ROWS = ("001,a.png,malignant,p1", "002,b.png,benign,p1", "003,sub/c.png,benign,p2")
PIXELS = np.arange(60, dtype=np.uint8).reshape(6, 10)


def write_tree(folder: Path, *, header: str = HEADER, rows: tuple[str, ...] = ROWS, encoding: str = "utf-8") -> Path:
    (folder / "sub").mkdir(exist_ok=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.fromarray(PIXELS).save(folder / name)
    (folder / "manifest.csv").write_text("\n".join((header, *rows)) + "\n", encoding=encoding)
    return folder


def with_columns(names: str, *cells: str) -> dict[str, object]:
    rows = tuple(f"{row},{cell}" for row, cell in zip(ROWS, cells, strict=True))
    return {"header": f"{HEADER},{names}", "rows": rows}


def test_rows(tmp_path: Path) -> None:
    raw = open_manifest(write_tree(tmp_path))
    assert raw.index["image_id"].tolist() == ["001", "002", "003"]
    assert raw.index["label"].tolist() == [1, 0, 0]
    assert raw.class_names == ("benign", "malignant")
    assert raw.index["source"].tolist() == ["a.png", "b.png", "sub/c.png"]
    assert "given_split" not in raw.index
    assert (raw.synthetic, raw.verified, raw.intensity_unit) == (False, "unverified", "grey level")
    np.testing.assert_array_equal(raw.read(2).values, PIXELS)
    assert raw.read(2).limits == (0, 255)


def test_spaces_byte_order_mark_blank_lines_and_other_columns(tmp_path: Path) -> None:
    rows = (" 001 , a.png ,malignant, p1,x", "", "002,b.png,benign,p1,", "003,sub/c.png,benign,p2,y")
    raw = open_manifest(
        write_tree(tmp_path, header="image_id, path,label,patient_id,remark", rows=rows, encoding="utf-8-sig")
    )
    assert raw.index["image_id"].tolist() == ["001", "002", "003"]
    assert raw.index["patient_id"].tolist() == ["p1", "p1", "p2"]


def test_quoted_cells_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    rows = ('001,a.png,"malignant, grade 2",p1', '002,b.png,"benign', 'tumour",p1', "003,missing.png,x,p2")
    with pytest.raises(InputError, match=r"line 5: expected a file at .*missing\.png, got none"):
        open_manifest(write_tree(tmp_path, rows=rows))
    assert open_manifest(write_tree(tmp_path, rows=rows[:3])).class_names == ("benign\ntumour", "malignant, grade 2")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_separators_and_encodings_of_spreadsheets(tmp_path: Path, mark: str, encoding: str) -> None:
    expected = open_manifest(write_tree(tmp_path)).index
    rows = tuple(row.replace(",", mark) for row in ROWS)
    raw = open_manifest(write_tree(tmp_path, header=HEADER.replace(",", mark), rows=rows, encoding=encoding))
    assert raw.index.equals(expected)


def test_a_comma_in_the_header_decides_against_semicolons_in_cells(tmp_path: Path) -> None:
    rows = (ROWS[0].replace("malignant", "a;b"), *ROWS[1:])
    assert open_manifest(write_tree(tmp_path, rows=rows)).class_names == ("a;b", "benign")


def test_given_split(tmp_path: Path) -> None:
    raw = open_manifest(write_tree(tmp_path, **with_columns("split", "train", "train", "test")))
    assert raw.index["given_split"].tolist() == ["train", "train", "test"]


def test_crop_by_box(tmp_path: Path) -> None:
    columns = with_columns("crop_top,crop_left,crop_height,crop_width", "1,2,3,4", "0,0,6,10", "5,9,1,1")
    raw = open_manifest(write_tree(tmp_path, **columns))
    np.testing.assert_array_equal(raw.read(0).values, PIXELS[1:4, 2:6])
    np.testing.assert_array_equal(raw.read(1).values, PIXELS)
    assert raw.read(2).values.tolist() == [[59]]


def test_crop_by_centre(tmp_path: Path) -> None:
    columns = with_columns("center_row,center_col,crop_size", "2,3,3", "2.5,3.5,4", "2,3,4")
    raw = open_manifest(write_tree(tmp_path, **columns))
    np.testing.assert_array_equal(raw.read(0).values, PIXELS[1:4, 2:5])  # an odd square lies about its pixel
    np.testing.assert_array_equal(raw.read(1).values, PIXELS[1:5, 2:6])  # an even one about the corner of four
    np.testing.assert_array_equal(raw.read(2).values, PIXELS[0:4, 1:5])


def with_labels(folder: Path, *labels: str) -> Path:
    rows = [f"i{number},a.png,{label},p{number}" for number, label in enumerate(labels)]
    return write_tree(folder, rows=tuple(rows))


@pytest.mark.parametrize(
    ("labels", "names", "order"),
    [
        (("10", "2", "0", "1"), ("0", "1", "2", "10"), "sorted"),
        (("2", "0", "1"), ("0", "1", "2"), "numbered"),
        (("10", "-1", "0.5", "+3"), ("-1", "0.5", "+3", "10"), "sorted"),
        (("grade 10", "grade 9", "grade", "benign"), ("benign", "grade", "grade 9", "grade 10"), "sorted"),
        (("10", "2", "other"), ("2", "10", "other"), "sorted"),
        (("a01", "a1", "a2b", "a2"), ("a01", "a1", "a2", "a2b"), "sorted"),
    ],
)
def test_numbers_in_labels_sort_as_numbers(
    tmp_path: Path, labels: tuple[str, ...], names: tuple[str, ...], order: str
) -> None:
    raw = open_manifest(with_labels(tmp_path, *labels))
    assert (raw.class_names, raw.class_order) == (names, order)
    assert raw.index["label"].tolist() == [names.index(label) for label in labels]


def test_eleven_numbered_classes_are_those_of_the_units(tmp_path: Path) -> None:
    raw = open_manifest(with_labels(tmp_path, *map(str, range(11))))
    assert (raw.index["label"].tolist(), raw.class_order) == (list(range(11)), "numbered")


def test_one_number_in_two_spellings_is_refused(tmp_path: Path) -> None:
    message = r"manifest\.csv: expected one spelling of each label, got '01' and '1', which are one number"
    with pytest.raises(InputError, match=message):
        open_manifest(with_labels(tmp_path, "1", "2", "01"))


def test_order_of_classes_can_be_listed(tmp_path: Path) -> None:
    (write_tree(tmp_path) / "classes.txt").write_text("malignant\nbenign\n")
    raw = open_manifest(tmp_path)
    assert (raw.class_names, raw.index["label"].tolist()) == (("malignant", "benign"), [0, 1, 1])
    assert raw.class_order == "stated"


def test_order_of_classes_can_be_stated_by_the_settings_before_the_list(tmp_path: Path) -> None:
    (write_tree(tmp_path) / "classes.txt").write_text("benign\nmalignant\n")
    raw = open_manifest(tmp_path, classes=("malignant", "other", "benign"))
    assert (raw.class_names, raw.index["label"].tolist()) == (("malignant", "other", "benign"), [0, 2, 2])
    assert raw.class_order == "stated"
    with pytest.raises(InputError, match=r"manifest\.csv, line 2: unknown label 'malignant' \(known: a, b\)"):
        open_manifest(tmp_path, classes=("a", "b"))


def test_a_manifest_may_have_another_name(tmp_path: Path) -> None:
    (write_tree(tmp_path) / "manifest.csv").rename(tmp_path / "test.csv")
    assert len(open_manifest(tmp_path, file="test.csv").index) == 3
    listed = read_listed(tmp_path / "test.csv")
    assert (listed.n_images, listed.class_names, listed.splits) == (3, ("benign", "malignant"), {})
    with pytest.raises(InputError, match=r"test\.csv, line 2: unknown label 'malignant' \(known: a, b\)"):
        read_listed(tmp_path / "test.csv", classes=("a", "b"))


def test_unknown_label(tmp_path: Path) -> None:
    (write_tree(tmp_path, rows=(*ROWS[:2], "003,sub/c.png,begnin,p2")) / "classes.txt").write_text("benign\nmalignant")
    message = r"manifest\.csv, line 4: unknown label 'begnin' \(known: benign, malignant\)"
    with pytest.raises(InputError, match=message):
        open_manifest(tmp_path)


def test_marked_as_synthetic(tmp_path: Path) -> None:
    (write_tree(tmp_path) / "SYNTHETIC.txt").write_text("made up")
    assert open_manifest(tmp_path).synthetic


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a text file in UTF-8, got .*No such file.* in .*manifest\.csv"):
        open_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one column `image_id`, got an empty file"),
        (b"image_id,path,label,patient_id\n", "expected at least one row, got only a header"),
        (b"version https://git-lfs.github.com/spec/v1\n", "expected a CSV, got a git-lfs pointer"),
        (b"<!DOCTYPE html><html>", "expected a CSV, got an HTML page"),
        (b"image_id,path\n" + b"x" * 200_000, "expected a CSV, got field larger than field limit"),
        (b"image_id,path\nM\xfcller", r"UTF-8, got byte 0xfc in line 2 \(probably Windows-1252 or Latin-1\)"),
        ("image_id,path".encode("utf-16-le"), r"UTF-8, got null characters \(UTF-16\?\)"),
        (b"\xff\xfei", "UTF-8, got damaged utf-16"),
    ],
)
def test_not_a_manifest(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_manifest(tmp_path)


@pytest.mark.parametrize("column", ["image_id", "path", "label", "patient_id"])
def test_missing_column(tmp_path: Path, column: str) -> None:
    header = HEADER.replace(column, "other")
    with pytest.raises(
        InputError, match=rf"expected one column `{column}`, got none among .*other.* in .*manifest\.csv"
    ):
        open_manifest(write_tree(tmp_path, header=header))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("003,missing.png,benign,p2", r"manifest\.csv, line 4: expected a file at .*missing\.png, got none"),
        ("001,sub/c.png,benign,p2", r"expected each image_id once, got '001' again in .*manifest\.csv, line 4"),
        ("003,sub/c.png,benign,", "expected a value of patient_id, got an empty cell in .* line 4"),
        ("003,sub/c.png,benign", "expected 4 cells, got 3 in .* line 4"),
        ("003,sub/c.png,benign,p2,", "expected 4 cells, got 5 in .* line 4"),
        ("003,../secret.png,benign,p2", r"expected a path inside the raw tree, got '\.\./secret\.png' in .* line 4"),
        ("003,sub/../../secret.png,benign,p2", "expected a path inside the raw tree"),
        ("003,/outside/c.png,benign,p2", "expected a path inside the raw tree, got '/outside/c.png'"),
        ("003,..\\secret.png,benign,p2", "expected a path inside the raw tree"),
        ("003,C:\\secret.png,benign,p2", "expected a path inside the raw tree"),
        ("003,.,benign,p2", r"manifest\.csv, line 4: expected a file at .*, got none"),
        ("003,sub,benign,p2", r"manifest\.csv, line 4: expected a file at .*sub, got none"),
        (
            "003,manifest.csv,benign,p2",
            "expected PNG, JPEG, TIFF, WebP, DICOM, NIfTI, NRRD, MetaImage, npy or npz, got b'image_id' in",
        ),
    ],
)
def test_wrong_row(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_manifest(write_tree(tmp_path, rows=(*ROWS[:2], row)))


def test_single_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected images of at least two classes, got only benign in .*manifest"):
        open_manifest(write_tree(tmp_path, rows=ROWS[1:]))


def test_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 3: unknown split 'val' \(known: train, validation, test\)"):
        open_manifest(write_tree(tmp_path, **with_columns("split", "train", "val", "test")))


def test_patient_in_two_splits(tmp_path: Path) -> None:
    message = r"expected each patient in one split, got the same patient in train \(line 2\) and test \(line 3\) of"
    with pytest.raises(InputError, match=message):
        open_manifest(write_tree(tmp_path, **with_columns("split", "train", "test", "test")))


@pytest.mark.parametrize(
    ("names", "cells", "message"),
    [
        ("crop_top,crop_left,crop_height", "0,0,1", r"no column crop_width \(expected all of crop_top, "),
        ("crop_top,crop_left,crop_height,crop_width", "-1,0,2,2", "expected a crop inside the image, .* line 2"),
        ("crop_top,crop_left,crop_height,crop_width", "0,0,0,2", "expected a crop inside the image, .* line 2"),
        ("crop_top,crop_left,crop_height,crop_width", "0,0,2,wide", "expected a number of pixels, got 'wide'"),
        ("crop_top,crop_left,crop_height,crop_width", "0,0,2,nan", "expected a number of pixels, got 'nan'"),
        ("center_row,center_col,crop_size", "0,3,4", "expected a crop inside the image, got rows -2 to 1"),
        (
            "crop_top,crop_left,crop_height,crop_width,center_row",
            "0,0,2,2,1",
            "expected crops given by box or by centre",
        ),
    ],
)
def test_wrong_crop(tmp_path: Path, names: str, cells: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_manifest(write_tree(tmp_path, **with_columns(names, cells, cells, cells)))


def test_crop_that_leaves_the_image(tmp_path: Path) -> None:
    columns = with_columns("crop_top,crop_left,crop_height,crop_width", *["4,0,3,3"] * 3)
    raw = open_manifest(write_tree(tmp_path, **columns))
    with pytest.raises(InputError, match=r"expected a crop inside 6 x 10 pixels, got rows 4 to 6, .* in .*a\.png"):
        raw.read(0)


def test_mixed_units(tmp_path: Path) -> None:
    np.save(write_tree(tmp_path, rows=(*ROWS[:2], "003,c.npy,benign,p2")) / "c.npy", PIXELS)
    with pytest.raises(InputError, match="expected all images in one unit, got grey level and stored value"):
        open_manifest(tmp_path)


def test_the_link_files_may_leave_the_tree_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    write_tree(tmp_path)
    (tmp_path / "tree" / "files").symlink_to(tmp_path)
    rows = ("1,files/a.png,malignant,p1", "2,files/b.png,benign,p1", "3,files/sub/c.png,benign,p2")
    (tmp_path / "tree" / "manifest.csv").write_text("\n".join((HEADER, *rows)))
    raw = open_manifest(tmp_path / "tree")
    np.testing.assert_array_equal(raw.read(2).values, PIXELS)
    (tmp_path / "tree" / "files").rename(tmp_path / "tree" / "others")
    (tmp_path / "tree" / "manifest.csv").write_text("\n".join((HEADER, *rows)).replace("files/", "others/"))
    with pytest.raises(InputError, match=r"line 2: .*a\.png links to .*a\.png \(expected a file inside the raw tree\)"):
        open_manifest(tmp_path / "tree")


def test_a_link_inside_the_linked_folder_stays_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write_tree(tmp_path / "mine")
    Image.fromarray(PIXELS).save(tmp_path / "secret.png")
    (tmp_path / "mine" / "a.png").unlink()
    (tmp_path / "mine" / "a.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "files").symlink_to(tmp_path / "mine")
    rows = ("1,files/a.png,x,p1", "2,files/b.png,y,p2")
    (tmp_path / "tree" / "manifest.csv").write_text("\n".join((HEADER, *rows)))
    with pytest.raises(
        InputError, match=r"line 2: .*a\.png links to .*secret\.png \(expected a file inside the raw tree\)"
    ):
        open_manifest(tmp_path / "tree")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (("Benign", "benign"), "expected one spelling of each label, got 'Benign' and 'benign'"),
        (("b\u00e9nin", "be\u0301nin"), "expected one spelling of each label"),
        (("grade 1", "grade  1"), "expected one spelling of each label"),
        (("True", "TRUE"), "expected one spelling of each label, got 'TRUE' and 'True'"),
        (("nan", "benign"), "expected a label, got 'nan', which programs write for a missing one"),
    ],
)
def test_labels_in_two_spellings_are_no_two_classes(tmp_path: Path, labels: tuple[str, str], says: str) -> None:
    rows = [f"{n},a.png,{label},p{n}" for n, label in enumerate((*labels, "malignant"))]
    tree = write_tree(tmp_path, rows=tuple(rows))
    with pytest.raises(InputError, match=re.escape(says)):
        open_manifest(tree)
    (tree / "classes.txt").write_text("\n".join((*labels, "malignant")), encoding="utf-8")
    assert open_manifest(tree).class_names == (*labels, "malignant"), "they are two where that is stated"


@pytest.mark.parametrize("name", ["Split", "SPLIT", "Crop_top", "crop top"])
def test_a_known_column_in_another_spelling_is_not_ignored(tmp_path: Path, name: str) -> None:
    tree = write_tree(tmp_path)
    lines = (tree / "manifest.csv").read_text().splitlines()
    (tree / "manifest.csv").write_text("\n".join([f"{lines[0]},{name}", *(f"{line},train" for line in lines[1:])]))
    wanted = name.lower().replace(" ", "_")
    with pytest.raises(InputError, match=f"expected the column `{wanted}` in this spelling, got '{name}'"):
        open_manifest(tree)
