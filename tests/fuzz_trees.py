"""A small valid raw tree of every format, and the loader that reads it: what the fuzzer starts from.

To add a loader, write a function that makes its tree in an empty folder, and name both in `LOADERS`.
"""

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import xlwt
from lidc_trees import write_tree
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import RLELossless
from test_dicom_frames import enhanced
from volume_trees import marked, write_nifti
from volume_trees import write_manifest as write_parts

from oncorobust.acquire.download import unpack
from oncorobust.acquire.phantoms.brain_mets_tree import write_brain_mets_nifti_phantom, write_brain_mets_phantom
from oncorobust.acquire.phantoms.cbis_ddsm_tree import write_cbis_ddsm_phantom
from oncorobust.formats.brain_mets.reader import open_brain_mets
from oncorobust.formats.cbis_ddsm.reader import open_cbis_ddsm
from oncorobust.formats.cifar10 import open_cifar10
from oncorobust.formats.idx import write_idx
from oncorobust.formats.lidc.reader import open_lidc
from oncorobust.formats.manifest import open_manifest
from oncorobust.formats.mnist import open_mnist
from oncorobust.formats.records import RawImages
from oncorobust.settings.data import BrainMets, CbisDdsm, Lidc, Phantom, SegmentationLabels

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10), dtype=np.uint8)
LIDC = Lidc(min_readers=1, rating="mean", tie="malignant", pathology_methods=(2, 3), crop_mm=20.0)
CBIS_DDSM = CbisDdsm(abnormalities=("mass",))
BRAIN_METS = BrainMets(
    crop_mm=40.0,
    min_distance_mm=10.0,
    max_per_patient=None,
    labels=SegmentationLabels(metastasis={"enhancing": 3}),
)


@dataclass(frozen=True)
class Loader:
    """A format: how its small tree is made, and how it is opened; a loader that only unpacks gives None."""

    name: str
    write: Callable[[Path], None]
    open: Callable[[Path], RawImages | None]


def quiet(done: int, total: int, text: str) -> None:
    """Progress that nobody looks at."""


def write_mnist(folder: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.array([3, 1, 4, 1], dtype=np.uint8))
    for path in folder.glob("t10k*"):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def _records() -> np.ndarray:
    records = np.random.default_rng(0).integers(0, 256, (3, 3073), dtype=np.uint8)
    records[:, 0] = [3, 0, 9]
    return records


def write_cifar10_binary(folder: Path) -> None:
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(_records().tobytes())
    (folder / "batches.meta.txt").write_text("\n".join("abcdefghij"))


def write_cifar10_python(folder: Path) -> None:
    records = _records()
    batch = {b"data": records[:, 1:], b"labels": records[:, 0].tolist(), b"batch_label": b"1 of 5"}
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = [name.encode() for name in "abcdefghij"]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))


def _write_manifest(folder: Path, names: list[str]) -> None:
    rows = (f"i{n},{name},{'ab'[n % 2]},p{n // 2},1,2,6,5" for n, name in enumerate(names))
    header = "image_id,path,label,patient_id,crop_top,crop_left,crop_height,crop_width"
    (folder / "manifest.csv").write_text("\n".join((header, *rows)) + "\n")


def write_rasters(folder: Path) -> None:
    colour = np.stack([PIXELS] * 3, axis=-1)
    deep = PIXELS.astype(np.uint16) * 257
    Image.fromarray(PIXELS).save(folder / "grey.png")
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(colour).quantize(16).save(folder / "palette.png")
    Image.fromarray(colour).save(folder / "colour.jpg")
    Image.fromarray(PIXELS).save(folder / "grey.tif")
    Image.fromarray(deep).save(folder / "deep.tif", compression="tiff_lzw")
    Image.fromarray(PIXELS.astype(np.float32)).save(folder / "float.tif")
    (folder / "classes.txt").write_text("b\na\n")
    _write_manifest(folder, sorted(path.name for path in folder.iterdir() if path.suffix != ".txt"))


def write_arrays(folder: Path) -> None:
    np.save(folder / "bytes.npy", PIXELS)
    np.save(folder / "floats.npy", PIXELS.astype(">f4"))
    for name in ("slice.nii", "slice.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(PIXELS.astype(np.int16), np.eye(4)), folder / name)
    _write_manifest(folder, sorted(path.name for path in folder.iterdir()))


def write_dicoms(folder: Path) -> None:
    """Real MR images, plain and compressed, as pydicom carries them; both byte orders, both kinds of VR."""
    names = ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"]
    names += ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "examples_palette.dcm"]
    for name in names:
        found = get_testdata_file(name, download=False)
        if found is not None and Path(str(found)).stat().st_size < 20_000:
            (folder / name).write_bytes(Path(str(found)).read_bytes())
    _write_manifest(folder, sorted(path.name for path in folder.iterdir()))


def write_ct(folder: Path) -> None:
    """A real CT slice cut to 16 x 16, signed, with padding."""
    file = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    file.Rows = file.Columns = 16
    file.PixelData = file.PixelData[: 2 * 16 * 16]
    file.PixelPaddingValue = 63536 - 65536
    for name in ("one.dcm", "two.dcm"):
        file.save_as(folder / name)
    _write_manifest(folder, ["one.dcm", "two.dcm"])


def write_volumes(folder: Path) -> None:
    """Slices of NIfTI volumes by position and by segmentation, and images of arrays."""
    for name in ("v.nii", "w.nii.gz"):
        write_nifti(folder / name, marked(), axes="PSR")
        write_nifti(folder / f"seg-{name}", (marked() > 90).astype(np.uint8), axes="LAI")
    np.savez_compressed(folder / "a.npz", images=PIXELS[None].repeat(3, axis=0), other=PIXELS)
    np.save(folder / "b.npy", marked())
    rows = ("v.nii,,,13 mm,,", "v.nii,,,largest,coronal,seg-v.nii", "w.nii.gz,,,largest,,seg-w.nii.gz")
    rows += ("a.npz,images,2,,,", "b.npy,,,1,,")
    write_parts(folder, "path,array,array_index,slice,plane,segmentation", *rows)


def write_frames(folder: Path) -> None:
    """Frames of an Enhanced CT, plain and compressed."""
    enhanced(folder / "a.dcm")
    file = pydicom.dcmread(enhanced(folder / "b.dcm"))
    file.compress(RLELossless)
    file.save_as(folder / "b.dcm")
    write_parts(folder, "path,frame", "a.dcm,1", "a.dcm,3", "b.dcm,2")


def write_archives(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("157/158.xml", "<a/>" * 50)
        packed.writestr("159.xml", "<a/>")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.size = 600
        tar.addfile(member, io.BytesIO(b"x" * 600))
    (folder / "b.tar").write_bytes(buffer.getvalue())
    (folder / "c.tar.gz").write_bytes(gzip.compress(buffer.getvalue()))


def open_archives(folder: Path) -> None:
    for name in ("a.zip", "b.tar", "c.tar.gz"):
        unpack(folder / name, folder / "out")


def write_lidc(folder: Path) -> None:
    """Two patients; the second has the diagnosis that its readers gave it, so that both classes occur."""
    write_tree(folder)
    book = xlwt.Workbook()
    sheet = book.add_sheet("Diagnosis Truth")
    headers = ("TCIA Patient ID", "Diagnosis at the Patient Level\n0=Unknown", "Diagnosis Method\n0 = unknown")
    for column, (header, cell) in enumerate(zip(headers, ("LIDC-IDRI-9001", 2, 3), strict=True)):
        sheet.write(0, column, header)
        sheet.write(1, column, cell)
    book.save(str(folder / "tcia-diagnosis-data-2012-04-20.xls"))


def write_cbis_ddsm(folder: Path) -> None:
    write_cbis_ddsm_phantom(folder, Phantom(n_images=8, difficulty=1.0, seed=0))


def write_brain_dicom(folder: Path) -> None:
    write_brain_mets_phantom(folder, Phantom(n_images=4, difficulty=1.0, seed=0))


def write_brain_nifti(folder: Path) -> None:
    write_brain_mets_nifti_phantom(folder, Phantom(n_images=4, difficulty=1.0, seed=0))
    case = next((folder / "nifti").iterdir()).name
    (folder / "cases.csv").write_text(f"case,patient_id\n{case},PHANTOM-1\n")


LOADERS = (
    Loader("mnist", write_mnist, open_mnist),
    Loader("cifar10-binary", write_cifar10_binary, open_cifar10),
    Loader("cifar10-python", write_cifar10_python, open_cifar10),
    Loader("manifest-rasters", write_rasters, open_manifest),
    Loader("manifest-arrays", write_arrays, open_manifest),
    Loader("manifest-dicom", write_dicoms, open_manifest),
    Loader("manifest-ct", write_ct, open_manifest),
    Loader("manifest-volumes", write_volumes, open_manifest),
    Loader("manifest-frames", write_frames, open_manifest),
    Loader("archives", write_archives, open_archives),
    Loader("lidc", write_lidc, lambda folder: open_lidc(folder, LIDC, on_progress=quiet)),
    Loader("cbis-ddsm", write_cbis_ddsm, lambda folder: open_cbis_ddsm(folder, CBIS_DDSM, on_progress=quiet)),
    Loader(
        "brain-dicom", write_brain_dicom, lambda folder: open_brain_mets(folder, BRAIN_METS, seed=0, on_progress=quiet)
    ),
    Loader(
        "brain-nifti", write_brain_nifti, lambda folder: open_brain_mets(folder, BRAIN_METS, seed=0, on_progress=quiet)
    ),
)
