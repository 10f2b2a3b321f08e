"""Headers as pydicom decodes them, whatever the layout and the transfer syntax; and files that are not DICOM."""

import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from oncorobust.base.errors import InputError
from oncorobust.formats.dicom import index as dicom_index
from oncorobust.formats.dicom.index import COLUMNS, index_dicom

NAMES = ("CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm")


def ignore(done: int, total: int, text: str) -> None:
    """Progress that nobody watches."""


def copy_examples(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(Path(pydicom.data.__file__).parent / "test_files" / name, folder / name)


def test_every_column_is_what_pydicom_decodes(tmp_path: Path) -> None:
    copy_examples(tmp_path / "a" / "b", *NAMES)
    table = index_dicom(tmp_path, on_progress=ignore)
    assert table["path"].tolist() == sorted(f"a/b/{name}" for name in NAMES)
    for row in table.to_dict("records"):
        header = pydicom.dcmread(tmp_path / str(row["path"]))
        assert row["TransferSyntaxUID"] == header.file_meta.TransferSyntaxUID
        for name in COLUMNS[2:]:
            expected, found = header.get(name), row[name]
            if name == "ImageType":
                expected = "\\".join(expected)
            if name in dicom_index.VECTORS:
                assert found == (None if expected is None else tuple(float(part) for part in expected))
            elif name in (*dicom_index.TEXT, *dicom_index.CODES):
                assert found == ("" if expected is None else str(expected))
            else:
                assert pd.isna(found) if expected is None else found == expected, name


def test_values_of_a_known_file(tmp_path: Path) -> None:
    copy_examples(tmp_path, "CT_small.dcm")
    row = index_dicom(tmp_path, on_progress=ignore).iloc[0]
    assert (row["Modality"], row["Rows"], row["Columns"], row["PixelRepresentation"]) == ("CT", 128, 128, 1)
    assert row["ImagePositionPatient"] == (-158.135803, -179.035797, -75.699997)
    assert row["PixelSpacing"] == (0.661468, 0.661468)
    assert (row["RescaleIntercept"], row["RescaleSlope"], row["SliceThickness"]) == (-1024, 1, 5)
    assert row["SyntheticData"] == ""


def test_text_in_other_character_sets_is_decoded(tmp_path: Path) -> None:
    copy_examples(tmp_path, "CT_small.dcm")
    image = pydicom.dcmread(tmp_path / "CT_small.dcm")
    image.SpecificCharacterSet = "ISO_IR 192"
    image.PatientID = "Größe-1"
    image.save_as(tmp_path / "CT_small.dcm")
    assert index_dicom(tmp_path, on_progress=ignore)["PatientID"].tolist() == ["Größe-1"]


def test_a_header_longer_than_its_start_is_read(tmp_path: Path) -> None:
    copy_examples(tmp_path, "CT_small.dcm")
    image = pydicom.dcmread(tmp_path / "CT_small.dcm")
    image.ImageComments = "long " * 2000
    image.add_new(0x00091001, "OB", bytes(40_000))
    image.save_as(tmp_path / "CT_small.dcm")
    row = index_dicom(tmp_path, on_progress=ignore).iloc[0]
    assert (row["Rows"], row["PixelSpacing"]) == (128, (0.661468, 0.661468))


def test_folders_are_followed_once_through_links(tmp_path: Path) -> None:
    copy_examples(tmp_path / "elsewhere", "CT_small.dcm")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tree)
    assert index_dicom(tree, on_progress=ignore)["path"].tolist() == ["linked/CT_small.dcm"]


def test_other_files_are_passed_over_and_none_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("text", encoding="utf-8")
    table = index_dicom(tmp_path, on_progress=ignore)
    assert table.empty
    assert tuple(table.columns) == COLUMNS


def test_many_files_are_read_by_processes_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_examples(tmp_path, *NAMES)
    alone = index_dicom(tmp_path, on_progress=ignore)
    monkeypatch.setattr(dicom_index, "_FEWEST_FILES_FOR_PROCESSES", 1)
    monkeypatch.setattr(dicom_index, "_FILES_PER_TASK", 2)
    seen: list[tuple[int, int]] = []
    pd.testing.assert_frame_equal(alone, index_dicom(tmp_path, on_progress=lambda n, total, _: seen.append((n, total))))
    assert seen == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"version https://git-lfs.github.com/spec/v1\n" * 4, "version https://")],
)
def test_dcm_that_is_not_dicom(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "1-001.dcm").write_bytes(content)
    with pytest.raises(InputError, match=rf"expected a DICOM file, got .*{found}.* in .*1-001\.dcm"):
        index_dicom(tmp_path, on_progress=ignore)


def test_damaged_header_names_the_file(tmp_path: Path) -> None:
    copy_examples(tmp_path, "CT_small.dcm")
    path = tmp_path / "CT_small.dcm"
    path.write_bytes(path.read_bytes().replace(b"0.661468\\0.661468", b"0.66x468\\0.661468"))
    with pytest.raises(InputError, match=r"expected a readable DICOM header, got .*0\.66x468.* in .*CT_small\.dcm"):
        index_dicom(tmp_path, on_progress=ignore)


def test_a_whole_number_that_is_several_names_the_file_also_where_pydicom_reads(tmp_path: Path) -> None:
    copy_examples(tmp_path, "MR_small_bigendian.dcm")  # big-endian: read by pydicom
    image = pydicom.dcmread(tmp_path / "MR_small_bigendian.dcm")
    image.InstanceNumber = [1, 2]
    image.save_as(tmp_path / "MR_small_bigendian.dcm")
    with pytest.raises(InputError, match=r"expected a readable DICOM header, got .* in .*MR_small_bigendian\.dcm"):
        index_dicom(tmp_path, on_progress=ignore)
