"""No attribute that identifies a person leaves the raw tree, from any format that reads DICOM, nor in an error."""

import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from dicom_marks import STRUCTURE, change, contents, marks_in, plant
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from toy_pipeline import REPOSITORY

from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.acquire.phantoms.lidc_tree import write_lidc_phantom
from oncorobust.base.errors import InputError
from oncorobust.formats.open_raw import open_raw
from oncorobust.settings.data import Phantom
from oncorobust.settings.load import load_params

WRITERS = {"lidc": write_lidc_phantom, "cbis_ddsm": write_cbis_ddsm_phantom, "brain_mets": write_brain_mets_phantom}
FORMATS = [*WRITERS, "mine"]
OUTPUTS = {"images.npy", "index.csv", "summary.json", "contact_sheet.png", "raw_tree.csv"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree with marked raw trees of every format that reads DICOM."""
    root = tmp_path_factory.mktemp("marked")
    content = yaml.safe_load((REPOSITORY / "presets" / "demo.yaml").read_text(encoding="utf-8"))
    content["datasets"]["mine"] = yaml.safe_load(yaml.safe_dump(content["datasets"]["brain_mets"]))
    content["datasets"]["mine"]["preprocess"] |= {"format": {"name": "manifest"}, "intensity_range": "training"}
    for entry in content["datasets"].values():
        entry["preprocess"]["split"]["unit"] = "image"  # of few patients, some split has but one class
    content["run"]["datasets"].append("mine")
    content["report"]["columns"]["mine"] = {"title": "Mine", "paper": None}
    (root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name, write in WRITERS.items():
        folder = root / "data" / "raw" / name
        folder.mkdir(parents=True)
        write(folder, Phantom(n_images=20, difficulty=1.0, seed=0))
        for number, path in enumerate(sorted(folder.rglob("*.dcm"))):
            plant(path, everything=number % 25 == 0, keep=frozenset({"PatientID"} if name == "lidc" else ()))
    write_manifest(root / "data" / "raw" / "mine", sorted((root / "data/raw/brain_mets").rglob("*.dcm"))[:24])
    return root


def write_manifest(folder: Path, files: list[Path]) -> None:
    folder.mkdir()
    rows = ["image_id,path,label,patient_id"]
    for number, file in enumerate(files):
        shutil.copy(file, folder / f"{number}.dcm")
        rows.append(f"i{number},{number}.dcm,{'ab'[number % 2]},p{number // 2}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def preprocess(root: Path, dataset: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "workflow/scripts/preprocess.py"), "--dataset", dataset]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def uids(folder: Path, *names: str) -> set[str]:
    files = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.rglob("*.dcm")]
    return {str(file.get(name)) for file in files for name in names if name in file}


@pytest.mark.parametrize("dataset", FORMATS)
def test_no_mark_is_in_any_output(root: Path, dataset: str) -> None:
    done = preprocess(root, dataset)
    assert done.returncode == 0, done.stderr
    log = root / "logs" / "preprocess" / f"{dataset}.log"
    assert marks_in(done.stdout + done.stderr + log.read_text(encoding="utf-8")) == set()
    outputs = {path.name: path for path in (root / "data" / "processed" / dataset).iterdir()}
    assert set(outputs) == OUTPUTS
    found = {name: set().union(*map(marks_in, contents(path))) for name, path in outputs.items()}
    assert found == {name: set() for name in outputs}
    # LIDC-IDRI is public, and its UIDs lead back to the archive; elsewhere they lead to a hospital's.
    secret = {"StudyInstanceUID", "FrameOfReferenceUID"}
    secret |= set() if dataset == "lidc" else {"SeriesInstanceUID", "SOPInstanceUID"}
    written = b"".join(part for path in outputs.values() for part in contents(path)).decode("latin-1")
    assert {uid for uid in uids(root / "data/raw" / dataset, *secret) if uid in written} == set()


def test_the_marks_are_everywhere_and_are_found(root: Path, tmp_path: Path) -> None:
    path = min((root / "data/raw/cbis_ddsm").rglob("*.dcm"))
    marked = set().union(*map(marks_in, contents(path)))
    for name in ("PatientName", "PatientID", "AccessionNumber", "OtherPatientIDsSequence", "InstitutionAddress"):
        assert f"ZQ{pydicom.datadict.tag_for_keyword(name):08X}" in marked
    assert {"ZQ00991001", "ZQ00000000", "ZQ00020102", "19370613", "093Y"} <= marked
    assert len(marked) > 2000
    assert "PatientName" not in STRUCTURE
    np.savez_compressed(tmp_path / "a.npz", names=np.array(["ZQ00100010"]))
    text = PngInfo()
    text.add_text("Comment", "ZQ00100010", zip=True)
    Image.new("L", (4, 4)).save(tmp_path / "a.png", pnginfo=text)
    assert b"ZQ00100010" not in (tmp_path / "a.png").read_bytes() + zlib.compress(b"")
    for name in ("a.npz", "a.png"):
        wide = [
            part.replace(b"\0", b"") for part in contents(tmp_path / name)
        ]  # NumPy's texts have four bytes a letter
        assert set().union(*map(marks_in, wide)) == {"ZQ00100010"}, name


def test_only_preprocess_and_rescan_read_the_raw_trees() -> None:
    """What is not in data/processed cannot be in anything made of it; rescan writes no text of the raw tree."""
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = {name: entry.get("do", entry)["deps"] for name, entry in stages.items()}
    assert [name for name in deps if any("data/raw" in one for one in deps[name])] == ["preprocess", "rescan"]


@pytest.mark.parametrize(
    ("dataset", "values"),
    [
        ("lidc", {"PatientID": "ZQ00100020^A"}),
        ("lidc", {"RescaleSlope": 0}),
        ("lidc", {"NumberOfFrames": 2}),
        ("cbis_ddsm", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}),
        ("cbis_ddsm", {"SamplesPerPixel": 3}),
        ("brain_mets", {"Modality": "CT"}),
        ("brain_mets", {"BurnedInAnnotation": "YES"}),
        ("brain_mets", {"PixelSpacing": None}),
        ("mine", {"NumberOfFrames": 2}),
        ("mine", {"PixelData": b"\0\0"}),
    ],
)
def test_no_mark_is_in_an_error_message(root: Path, dataset: str, values: dict[str, object], tmp_path: Path) -> None:
    folder = tmp_path / dataset
    shutil.copytree(root / "data/raw" / dataset, folder)
    for path in folder.rglob("*.dcm"):
        change(path, **values)
    settings = load_params(root / "params.yaml").datasets[dataset].preprocess.format
    with pytest.raises(InputError) as caught:
        raw = open_raw(folder, settings, seed=0, on_progress=lambda *_: None)
        for position in range(len(raw.index)):
            raw.read(position)
    assert marks_in(str(caught.value)) == set()
    assert str(tmp_path) in str(caught.value)


def test_a_person_in_two_splits_is_not_named(root: Path) -> None:
    folder = root / "data/raw/mine"
    manifest = folder / "manifest.csv"
    before = manifest.read_text(encoding="utf-8")
    header, *rows = before.replace(",p0", ",Doe^John").splitlines()
    splits = ["train", "test"] * 12
    settings = load_params(root / "params.yaml").datasets["mine"].preprocess.format
    try:
        manifest.write_text("\n".join([f"{header},split", *map(",".join, zip(rows, splits, strict=True))]) + "\n")
        with pytest.raises(InputError) as caught:
            open_raw(folder, settings, seed=0, on_progress=print)
    finally:
        manifest.write_text(before, encoding="utf-8")
    assert "Doe" not in str(caught.value)
    assert "(line 2)" in str(caught.value)
