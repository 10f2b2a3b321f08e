"""The readers' XML: every form it comes in, and everything that is refused."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import lidc_trees as trees
import pytest

from oncorobust.base.errors import InputError
from oncorobust.formats.lidc.files import choose_reads, find_reads
from oncorobust.formats.lidc.xml import read_reads, read_series_uid

CXR = (
    '<IdriReadMessage xmlns="http://www.nih.gov/idri"><ResponseHeader><SeriesInstanceUID>2.25.9</SeriesInstanceUID>'
    "</ResponseHeader><CXRreadingSession><unblindedRead/></CXRreadingSession></IdriReadMessage>"
)
TWO_READERS = (trees.annotate(4), trees.annotate(2, session=2))
TEXT = trees.reads_xml(TWO_READERS)


def write(folder: Path, text: str | bytes, name: str = "069.xml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_what_was_written_is_read_without_small_marks_and_non_nodules(tmp_path: Path) -> None:
    cavity = trees.Contour(trees.slice_z(2), trees.sop_uid(2), False, trees.square(30, 40, 1))
    first = replace(TWO_READERS[0], contours=(*TWO_READERS[0].contours, cavity))
    reads = read_reads(write(tmp_path, trees.reads_xml([first, TWO_READERS[1]])))
    assert reads.series_uid == trees.SERIES_UID
    assert reads.n_sessions == 4
    assert reads.annotations == (first, TWO_READERS[1])
    assert reads.annotations[0].contours[0].points[:2] == ((36, 26), (37, 26)), "column, then row"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SeriesInstanceUid>", "SeriesInstanceUID>"),
        ("<inclusion>TRUE", "<inclusion> true "),
        ("<malignancy>4<", "<malignancy>\n4 <"),
        ("<characteristics/>", "<characteristics>\n</characteristics>"),
        ('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
        ("<LidcReadMessage ", "<!-- a remark --><LidcReadMessage "),
        ('xmlns="http://www.nih.gov"', 'xmlns:l="http://www.nih.gov"'),
    ],
)
def test_variants_of_the_schema_read_alike(tmp_path: Path, old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    assert text != TEXT
    if "xmlns:l=" in new:  # the same namespace by prefix
        text = text.replace("</", "\0").replace("<", "<l:").replace("\0", "</l:").replace("<l:?", "<?")
    assert read_reads(write(tmp_path, text)) == read_reads(write(tmp_path, TEXT, "other.xml"))


def test_the_header_may_come_in_any_order(tmp_path: Path) -> None:
    moved = TEXT.replace("<StudyInstanceUID>2.25.100</StudyInstanceUID>", "")
    moved = moved.replace("<Version>", "<StudyInstanceUID>2.25.100</StudyInstanceUID><Version>")
    assert read_series_uid(write(tmp_path, moved)) == trees.SERIES_UID


def test_a_mark_with_characteristics_and_one_point_is_below_3_mm(tmp_path: Path) -> None:
    contour = replace(TWO_READERS[0].contours[0], points=((10, 10),))
    mark = replace(TWO_READERS[0], contours=(contour,))
    assert read_reads(write(tmp_path, trees.reads_xml([mark]))).annotations == ()


def test_chest_x_rays_are_told_by_their_root(tmp_path: Path) -> None:
    write(tmp_path, CXR, "a.xml")
    write(tmp_path, TEXT, "b.xml")
    found = find_reads(tmp_path, image_folders=())
    assert found.by_series == {trees.SERIES_UID: (tmp_path / "b.xml",)}
    assert found.n_cxr == 1


def test_xml_apart_from_the_images_comes_first(tmp_path: Path) -> None:
    beside, apart = write(tmp_path, TEXT, "series/069.xml"), write(tmp_path, TEXT, "xml/189/001.XML")
    found = find_reads(tmp_path, image_folders={beside.parent})
    assert found.by_series == {trees.SERIES_UID: (apart,)}
    assert found.n_gave_way == 1
    apart.unlink()
    assert find_reads(tmp_path, image_folders={beside.parent}).by_series == {trees.SERIES_UID: (beside,)}


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path, TEXT, "elsewhere/069.xml")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "xml").symlink_to(tmp_path / "elsewhere")
    (tree / "loop").symlink_to(tree)
    assert find_reads(tree, image_folders=()).by_series == {trees.SERIES_UID: (tree / "xml" / "069.xml",)}


def test_same_content_in_two_files_is_one(tmp_path: Path) -> None:
    paths = [write(tmp_path, TEXT, "a.xml"), write(tmp_path, TEXT.replace('2.25.1"', '2.25.77"'), "b.xml")]
    chosen = choose_reads(paths)
    assert (chosen.path, chosen.corrects) == (paths[0], False)


def test_a_resubmitted_correction_is_preferred(tmp_path: Path) -> None:
    first = write(tmp_path, TEXT, "161.xml")
    second = write(tmp_path, TEXT.replace("<malignancy>2", "<malignancy>5"), "161-resubmitted-correction-3-9-12.xml")
    chosen = choose_reads([first, second])
    assert (chosen.path, chosen.corrects) == (second, True)
    assert [note.characteristics["malignancy"] for note in chosen.reads.annotations] == [4, 5]


def test_two_different_files_of_a_series_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path, TEXT, "a.xml"), write(tmp_path, TEXT.replace("<malignancy>2", "<malignancy>5"), "b.xml")]
    with pytest.raises(
        InputError, match=r"expected the same reads .* 2\.25\.200, got different ones in .*b\.xml and .*a"
    ):
        choose_reads(paths)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<malignancy>4<", "<malignancy>6<", "expected malignancy from 1 to 5, got '6'"),
        ("<malignancy>4<", "<malignancy>4.5<", r"expected malignancy from 1 to 5, got '4\.5'"),
        ("<calcification>1<", "<calcification>7<", "expected calcification from 1 to 6, got '7'"),
        ("<internalStructure>1<", "<internalStructure>0<", "expected internalStructure from 1 to 5, got '0'"),
        ("<texture>1</texture>", "", "expected nine characteristics, got none named texture"),
        ("<inclusion>TRUE<", "<inclusion>MAYBE<", "expected inclusion TRUE or FALSE, got 'MAYBE'"),
        ("<inclusion>TRUE<", "<inclusion>FALSE<", "expected at least one roi with inclusion TRUE, got none"),
        ("<xCoord>36<", "<xCoord>36.5<", r"expected whole pixels from 0 in an edgeMap, got '36\.5'"),
        ("<yCoord>26<", "<yCoord>-1<", "expected whole pixels from 0 in an edgeMap, got '-1'"),
        ("<xCoord>36</xCoord>", "", "expected whole pixels from 0 in an edgeMap, got ''"),
        ("<imageZposition>-95.0 <", "<imageZposition>nan<", "expected imageZposition in mm, got 'nan'"),
        ("<imageZposition>-95.0 <", "<imageZposition>up<", "expected imageZposition in mm, got 'up'"),
    ],
)
def test_what_a_nodule_must_not_have(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=rf"{message} in .*069\.xml, session 1, nodule 'Nodule 001'"):
        read_reads(write(tmp_path, TEXT.replace(old, new)))


def test_a_roi_without_points_is_refused(tmp_path: Path) -> None:
    empty = replace(TWO_READERS[0].contours[0], points=())
    note = replace(TWO_READERS[1], contours=(*TWO_READERS[1].contours, empty))
    with pytest.raises(InputError, match=r"expected an edgeMap in each roi, got none at z -95\.0 in .*session 2"):
        read_reads(write(tmp_path, trees.reads_xml([note])))


ENTITY = '<!DOCTYPE LidcReadMessage [<!ENTITY a "1">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html/>", r"expected \{http://www.nih.gov\}LidcReadMessage \(CT\) or .*, got html in"),
        (TEXT.replace("http://www.nih.gov", "http://x"), r"got \{http://x\}LidcReadMessage in"),
        (TEXT.replace("<SeriesInstanceUid>2.25.200</SeriesInstanceUid>", ""), "expected a SeriesInstanceUid, got none"),
        (TEXT.replace("ResponseHeader", "Header"), "expected a ResponseHeader, got none in"),
        ("", "expected XML without entities, got no element found"),
        (TEXT[:300], "expected XML without entities, got no element found|unclosed"),
        (TEXT[:-500], "expected XML without entities, got (no element found|unclosed)"),
        (
            TEXT.replace("<LidcReadMessage", ENTITY + "<LidcReadMessage"),
            "expected XML without entities, got DTDForbidden",
        ),
        (TEXT.replace("Version>", "a>" * 1, 1), "expected XML without entities, got mismatched tag"),
        (TEXT.replace("<Version>", "<a>" * 12), "expected the elements of LidcReadMessage, got more or deeper ones"),
        (TEXT.replace("UTF-8", "klingon"), "expected XML without entities, got unknown encoding"),
    ],
)
def test_what_is_no_file_of_reads(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"({message}).*069\.xml"):
        read_reads(write(tmp_path, text))


def test_more_elements_inside_one_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncorobust.formats.lidc.xml._MOST_CHILDREN", 5)
    with pytest.raises(InputError, match=r"got more or deeper ones in .*069\.xml"):
        read_reads(write(tmp_path, TEXT.replace("<Version>", "<noduleID/>" * 7 + "<Version>")))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oncorobust.formats.lidc.xml._LARGEST_BYTES", 2**20)
    path = write(tmp_path, TEXT + " " * 2**21)
    with pytest.raises(InputError, match=r"expected at most 1 MiB of XML, got 2 MiB in .*069\.xml"):
        read_series_uid(path)


def test_memory_is_that_of_the_points_not_of_the_elements(tmp_path: Path) -> None:
    mark = trees.contour_xml(replace(TWO_READERS[0].contours[0], points=((1, 1),)))
    many = f"<unblindedReadNodule><noduleID>small</noduleID>{mark}</unblindedReadNodule>\n" * 1_000
    path = write(tmp_path, trees.reads_xml(TWO_READERS, extra=many))
    assert path.stat().st_size > 800_000
    tracemalloc.start()
    read_reads(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
