"""Synthetic images as DICOM files that a validator accepts and a person cannot take for a patient's.

One function a kind of image (CT, MR, secondary capture, computed radiography) gives a data set with the attributes
that its information object asks for (PS3.3 A.2, A.3, A.4, A.8); `write_dicom` writes it. `dciodvfy` of dicom3tools
finds nothing in them but that it does not know SyntheticData yet, which is younger than the program.

Every file says what it is: SyntheticData (0008,001C) YES, PatientName SYNTHETIC^PHANTOM, DeidentificationMethod and
ImageComments. UIDs are 2.25 and a 128-bit number (PS3.5 B.2), here the SHA-256 of names, so that the same settings
write the same bytes; nothing depends on the day or the machine.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom.uid
from jaxtyping import Int16, UInt8, UInt16
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID

COMMENT = "SYNTHETIC PHANTOM"
PADDING_VALUE = -2000
"""Stored value of CT pixels outside of the scanner's circle, as GE's scanners write it."""

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CT_INTERCEPT_HU = -1024


@dataclass(frozen=True)
class Series:
    """What the images of one series share; dates are DICOM's YYYYMMDD."""

    patient_id: str
    study_uid: str
    series_uid: str
    date: str
    number: int
    description: str
    implicit_vr: bool


@dataclass(frozen=True)
class Geometry:
    """Where an axial slice lies: centre of its first pixel (x, y, z) in the patient's coordinates (LPS), all in mm."""

    position_mm: tuple[float, float, float]
    pixel_spacing_mm: float
    slice_thickness_mm: float


def synthetic_uid(*names: str | int) -> str:
    """A UID below 2.25 that depends on the names alone."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16])}"


def instance_uid(series: Series, number: int) -> str:
    """The SOPInstanceUID of a series' image with this InstanceNumber."""
    return synthetic_uid(series.series_uid, number)


def ct_slice(
    stored: Int16[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"],
    *,
    series: Series,
    number: int,
    geometry: Geometry,
    padded: bool,
) -> FileDataset:
    """An axial CT image, HU = stored - 1024.

    padded: PixelPaddingValue is given, and is -2000 written as 63536: real files do so, though VR US with signed
    pixels means that readers must take it through PixelRepresentation.
    """
    header = _header(series, number, sop_class=pydicom.uid.CTImageStorage, modality="CT")
    header.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    header.DerivationDescription = COMMENT
    header.BodyPartExamined = "CHEST"
    header.KVP = None
    header.AcquisitionNumber = None
    header.PatientPosition = "FFS"
    _add_plane(header, series, geometry)
    header.RescaleIntercept = CT_INTERCEPT_HU
    header.RescaleSlope = 1
    header.RescaleType = "HU"
    header.WindowCenter = -600
    header.WindowWidth = 1600
    _add_pixels(header, stored, bits_stored=16)
    if padded:
        header.add_new("PixelPaddingValue", "US", PADDING_VALUE % 2**16)
    return header


def mr_slice(
    stored: UInt16[np.ndarray, "rows cols"], *, series: Series, number: int, geometry: Geometry
) -> FileDataset:
    """An axial T1 image after contrast agent, 12 bits."""
    header = _header(series, number, sop_class=pydicom.uid.MRImageStorage, modality="MR")
    header.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    header.DerivationDescription = COMMENT
    header.BodyPartExamined = "BRAIN"
    header.ScanningSequence = "GR"
    header.SequenceVariant = "SP"
    header.ScanOptions = None
    header.MRAcquisitionType = "3D"
    header.RepetitionTime = None
    header.EchoTime = None
    header.EchoTrainLength = None
    header.ContrastBolusAgent = "SYNTHETIC GADOLINIUM"
    header.PatientPosition = "HFS"
    _add_plane(header, series, geometry)
    header.WindowCenter = 1024
    header.WindowWidth = 2048
    _add_pixels(header, stored, bits_stored=12)
    return header


def secondary_capture(
    stored: UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"],
    *,
    series: Series,
    number: int,
    laterality: str,
) -> FileDataset:
    """A digitised mammogram, or a part or mask of one; laterality is L or R."""
    header = _header(series, number, sop_class=pydicom.uid.SecondaryCaptureImageStorage, modality="MG")
    header.ConversionType = "WSD"
    header.BodyPartExamined = "BREAST"
    header.Laterality = laterality
    header.PatientOrientation = None  # a view such as CC is no patient orientation
    _add_pixels(header, stored, bits_stored=8 * stored.dtype.itemsize)
    header.SmallestImagePixelValue = int(stored.min())
    header.LargestImagePixelValue = int(stored.max())
    return header


def radiograph(stored: UInt16[np.ndarray, "rows cols"], *, series: Series, number: int) -> FileDataset:
    """A chest X-ray, 15 bits."""
    header = _header(series, number, sop_class=pydicom.uid.ComputedRadiographyImageStorage, modality="CR")
    header.BodyPartExamined = "CHEST"
    header.ViewPosition = "PA"
    header.PatientOrientation = None
    _add_pixels(header, stored, bits_stored=15)
    return header


def write_dicom(image: FileDataset, path: Path) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def _header(series: Series, number: int, *, sop_class: UID, modality: str) -> FileDataset:
    """What all images have: the patient, study, series and equipment modules, and the marks of a phantom."""
    syntax = pydicom.uid.ImplicitVRLittleEndian if series.implicit_vr else pydicom.uid.ExplicitVRLittleEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(instance_uid(series, number))
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = pydicom.uid.PYDICOM_IMPLEMENTATION_UID
    header = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    header.SpecificCharacterSet = "ISO_IR 100"
    header.SyntheticData = "YES"
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.StudyDate = header.SeriesDate = series.date
    header.StudyTime = "000000"
    header.AccessionNumber = None
    header.Modality = modality
    header.Manufacturer = "SYNTHETIC"
    header.ManufacturerModelName = "oncorobust phantom"
    header.ReferringPhysicianName = None
    header.SeriesDescription = series.description
    header.PatientName = "SYNTHETIC^PHANTOM"
    header.PatientID = series.patient_id
    header.PatientBirthDate = None
    header.PatientSex = None
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "SYNTHETIC: computed, no patient exists"
    header.StudyInstanceUID = series.study_uid
    header.SeriesInstanceUID = series.series_uid
    header.StudyID = "1"
    header.SeriesNumber = series.number
    header.InstanceNumber = number
    header.ImageComments = COMMENT
    return header


def _add_plane(header: FileDataset, series: Series, geometry: Geometry) -> None:
    """Image Plane and Frame of Reference modules; the images of a series share one frame of reference."""
    header.FrameOfReferenceUID = synthetic_uid(series.study_uid, "frame of reference")
    header.PositionReferenceIndicator = None
    header.ImagePositionPatient = list(geometry.position_mm)
    header.ImageOrientationPatient = list(AXIAL)
    header.PixelSpacing = [geometry.pixel_spacing_mm, geometry.pixel_spacing_mm]
    header.SliceThickness = geometry.slice_thickness_mm
    header.SliceLocation = geometry.position_mm[2]


def _add_pixels(header: FileDataset, stored: np.ndarray, *, bits_stored: int) -> None:
    """Image Pixel module of one grey image, uncompressed; an odd number of bytes is filled up (PS3.5 8.1.1)."""
    bits = 8 * stored.dtype.itemsize
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.Rows, header.Columns = stored.shape
    header.BitsAllocated = bits
    header.BitsStored = bits_stored
    header.HighBit = bits_stored - 1
    header.PixelRepresentation = int(stored.dtype.kind == "i")
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    header.add_new("PixelData", "OB" if bits == 8 else "OW", data + bytes(len(data) % 2))
