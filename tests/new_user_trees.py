"""Folders as new users bring them, with images whose classes a network learns in a few steps: synthetic, no patient."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from proposal_trees import write_dicom, write_table, write_volume

N_PATIENTS, SIDE = 36, 40


def scans(seed: int) -> Iterator[tuple[str, bool, np.ndarray]]:
    """Yield patient, whether there is a lesion, and a grey image (h, w) in [0, 1]: with a bright disc, or without."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(N_PATIENTS):
        lesion = number % 2 == 1
        image = 0.3 + 0.05 * rng.normal(size=(SIDE, SIDE))
        y, x = rng.uniform(14, 26, 2)
        if lesion:
            image += 0.5 * ((rows - y) ** 2 + (columns - x) ** 2 < 36)
        yield f"pat{number:03d}", lesion, image.clip(0, 1)


def make_photographs(tree: Path) -> None:
    """Make a folder per class of JPEGs in three equal channels, as most exports are."""
    for patient, lesion, image in scans(1):
        path = tree / ("malignant" if lesion else "benign") / f"{patient}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * image).astype(np.uint8)).convert("RGB").save(path, quality=95)


def make_dicom(tree: Path) -> None:
    """Make a DICOM tree of CT, and beside it a table with a label for each patient."""
    lines = [("PatientID", "diagnosis")]
    for patient, lesion, image in scans(2):
        values = (1024 + 800 * image - 600).astype(np.uint16)
        write_dicom(tree / patient / "series" / "1.dcm", patient, Rows=SIDE, Columns=SIDE, PixelData=values.tobytes())
        lines.append((patient, "malignant" if lesion else "benign"))
    write_table(tree.parent / "labels.csv", lines)


def make_nnunet_tree(tree: Path) -> None:
    """Make an nnU-Net data set of CT volumes whose segmentation holds an organ, and a tumour in every second case."""
    for number, (_, lesion, image) in enumerate(scans(3)):
        volume = np.repeat((800 * image - 600).astype(np.int16).T[:, :, None], 5, axis=2)
        mask = np.zeros(volume.shape, dtype=np.uint8)
        mask[8:32, 8:32, 1:4] = 1
        if lesion:
            mask[:, :, 2][image.T > 0.6] = 2
        write_volume(tree / "imagesTr" / f"case_{number:03d}_0000.nii.gz", volume)
        write_volume(tree / "labelsTr" / f"case_{number:03d}.nii.gz", mask)
    described = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "organ": 1, "tumour": 2},
        "file_ending": ".nii.gz",
    }
    (tree / "dataset.json").write_text(json.dumps(described), encoding="utf-8")


def make_arrays(tree: Path) -> None:
    """Make an npz file with the arrays of MedMNIST."""
    found = list(scans(4))
    images = np.stack([(255 * image).astype(np.uint8) for _, _, image in found])
    labels = np.array([[int(lesion)] for _, lesion, _ in found], dtype=np.uint8)
    splits = {"train": slice(0, 20), "val": slice(20, 26), "test": slice(26, None)}
    tree.mkdir(parents=True)
    np.savez_compressed(
        tree / "lesionmnist.npz",
        **{f"{split}_images": images[rows] for split, rows in splits.items()},
        **{f"{split}_labels": labels[rows] for split, rows in splits.items()},
    )
