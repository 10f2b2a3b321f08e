"""Test images of a data set under changes of their raw values, converted as stage `preprocess` converts them.

A change acts on the whole slice that the format stores, in the units of its scanner (`Scan`). Then follow the crop of
the format, and the conversion of `preprocess`, with the same constants: percentiles and limits are those of the
unchanged data set. Imports no framework.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oncorobust.base import layout
from oncorobust.base.arrays import Image
from oncorobust.base.errors import InputError
from oncorobust.base.schema.version import read_results
from oncorobust.base.seeds import child_rng
from oncorobust.data.conversion import Conversion
from oncorobust.data.dataset import POSITION, LabelledImages
from oncorobust.data.preprocess import conversion_of
from oncorobust.evaluation.changed_images import ChangeLevel, Rescanned
from oncorobust.formats.dicom.values import STORED
from oncorobust.formats.open_raw import open_raw
from oncorobust.formats.records import RawImages, Scan
from oncorobust.scanner.changes import CHANGES, Change
from oncorobust.settings.acquisition import Acquisition
from oncorobust.settings.pipeline import Params


@dataclass(frozen=True)
class ChangedScans:
    """Images of `data`, from the raw tree, under changes of the acquisition.

    where: the block of params.yaml, for messages. seed: of the run; each image, change and level has its own generator.
    """

    raw: RawImages
    data: LabelledImages
    conversion: Conversion
    settings: Acquisition
    where: str
    seed: int

    def __call__(self, position: int) -> Rescanned:
        """Return one image under every change, in the order of CHANGES and of severities.

        Raises InputError naming image and file where the raw values no longer give the processed image, or where the
        header contradicts the stated modality.
        """
        scan = self._scan(position)
        images: dict[ChangeLevel, Image] = {}
        reasons: dict[str, str] = {}
        for change in self.chosen:
            if reason := change.why_not(scan):
                reasons[change.name] = reason
                continue
            for level in _levels(change, self.settings):
                images[level] = self._changed(scan, change, level, position)
        return Rescanned(images, reasons)

    @property
    def titles(self) -> dict[str, str]:
        """Return the titles of the changes, by name."""
        return {change.name: change.title for change in self.chosen}

    @cached_property
    def chosen(self) -> tuple[Change, ...]:
        """Changes that the settings ask for, in the order of CHANGES."""
        wanted = self.settings.changes
        return tuple(one for one in CHANGES if isinstance(wanted, str) or one.name in wanted)

    def check_possible(self) -> None:
        """Raise InputError with the reason for each change where none applies to any image."""
        first = None
        for position in range(len(self.data)):
            scan = self._scan(position)
            reasons = {one.name: one.why_not(scan) for one in self.chosen}
            if not all(reasons.values()):
                return
            first = first or reasons
        told = "; ".join(f"{name} {reason}" for name, reason in (first or {}).items())
        raise InputError(
            f"{self.where}: expected a change that applies to the images of {self.data.name}, got none: {told} "
            "(state what made the images as `modality`, or set the block to null)"
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {str(one): place for place, one in enumerate(self.raw.index["image_id"])}

    def _scan(self, position: int) -> Scan:
        """Return an image as its scanner made it, after checking that it still is the processed image."""
        row = self.data.rows.iloc[position]
        where = f"{layout.raw(self.data.name)}/{row['source']}, image {row['image_id']}"
        if row["image_id"] not in self._places:
            raise InputError(f"{where}: expected the image in the raw tree, got none (run stage preprocess again)")
        scan = stated(self.raw.scan(self._places[row["image_id"]]), self.settings, where=where, block=self.where)
        image = self.conversion.convert(scan.cut(scan.values), source=where)
        processed = self.data.pixels[row[POSITION]]
        if image.shape != processed.shape or not np.array_equal(image, processed):
            raise InputError(
                f"{where}: expected raw values that give the processed image, got another one "
                "(run stage preprocess again)"
            )
        return scan

    def _changed(self, scan: Scan, change: Change, level: ChangeLevel, position: int) -> Image:
        row = self.data.rows.iloc[position]
        rng = child_rng(self.seed, "acquisition", self.data.name, str(row["image_id"]), change.name, level.level)
        values = change.apply(scan, level.severity, rng)
        return self.conversion.convert(scan.cut(values), source=str(row["source"]))


def stated(scan: Scan, settings: Acquisition, *, where: str, block: str) -> Scan:
    """Return a scan with the modality that the settings state, for files that state none.

    Values of a CT volume that states neither modality nor unit are HU. Raises InputError if the file states another
    modality.
    """
    wanted = settings.modality
    if wanted == "auto" or wanted == scan.modality:
        return scan
    if scan.modality != "other":
        raise InputError(f"{where}: expected modality {wanted}, as in {block}.modality, got {scan.modality}")
    is_volume = scan.unit == STORED and scan.limits is None and scan.spacing_mm is not None
    return replace(scan, modality=wanted, unit="HU" if wanted == "CT" and is_volume else scan.unit)


def open_changed_scans(data: LabelledImages, params: Params, *, on_progress: Any) -> ChangedScans:
    """Open the raw tree of processed images. on_progress: as in `Listener.update`.

    Raises InputError for a raw tree that cannot be opened, or where no change applies.
    """
    dataset = params.datasets[data.name]
    settings, rules = dataset.acquisition, dataset.preprocess
    where = f"datasets.{data.name}.acquisition"
    if settings is None:
        raise InputError(f"expected settings of {where} in params.yaml, got null, which changes nothing")
    summary = read_results(Path(layout.summary_file(data.name)))
    low, high = summary["intensity_range"]
    scans = ChangedScans(
        raw=open_raw(layout.raw(data.name), rules.format, seed=params.seed, on_progress=on_progress),
        data=data,
        conversion=conversion_of(rules, n_channels=int(summary["channels"]), intensity_range=(low, high)),
        settings=settings,
        where=where,
        seed=params.seed,
    )
    scans.check_possible()
    return scans


def _levels(change: Change, settings: Acquisition) -> Sequence[ChangeLevel]:
    asked = "literature" if isinstance(settings.changes, str) else settings.changes[change.name]
    severities = change.levels if isinstance(asked, str) else asked
    return [
        ChangeLevel(change.name, change.title, float(severity), change.unit, level)
        for level, severity in enumerate(severities, start=1)
    ]
