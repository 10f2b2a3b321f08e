"""Writer of synthetic images as valid DICOM files that cannot be mistaken for those of a patient.

One function per kind of image (CT, MR, secondary capture, computed radiography) returns a data set with the attributes
that its information object requires (PS3.3 A.2, A.3, A.4, A.8); `write_dicom` writes it. `dciodvfy` of dicom3tools
reports only that it does not know SyntheticData, which is newer than the program.

Every file is marked as synthetic: SyntheticData (0008,001C) YES, PatientName SYNTHETIC^PHANTOM, DeidentificationMethod
and ImageComments. UIDs are 2.25 followed by a 128-bit number (PS3.5 B.2), here from the SHA-256 of names, so that the
same settings write the same bytes; nothing depends on the date or the machine.
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
"""Stored value of CT pixels outside the scanner's circle, as in images of GE scanners."""

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CT_INTERCEPT_HU = -1024


@dataclass(frozen=True)
class Series:
    """Attributes shared by the images of one series; dates are DICOM's YYYYMMDD."""

    patient_id: str
    study_uid: str
    series_uid: str
    date: str
    number: int
    description: str
    implicit_vr: bool


@dataclass(frozen=True)
class Geometry:
    """Position and size of an axial slice, in mm; position_mm is the centre of its first pixel (x, y, z), LPS."""

    position_mm: tuple[float, float, float]
    pixel_spacing_mm: float
    slice_thickness_mm: float


def synthetic_uid(*names: str | int) -> str:
    """Return a UID below 2.25 that depends only on the names."""
    digest = hashlib.sha256("\0".join(map(str, names)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16])}"


def instance_uid(series: Series, number: int) -> str:
    """Return the SOPInstanceUID of the series' image with this InstanceNumber."""
    return synthetic_uid(series.series_uid, number)


def ct_slice(
    stored: Int16[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"],
    *,
    series: Series,
    number: int,
    geometry: Geometry,
    padded: bool,
) -> FileDataset:
    """Return an axial CT image, HU = stored - 1024.

    padded: whether to add PixelPaddingValue, -2000 stored as 63536 as in real files: its VR is US although the pixels
    are signed, so readers must interpret it by PixelRepresentation.
    """
    header = new_header(series, number, sop_class=pydicom.uid.CTImageStorage, modality="CT")
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
    """Return an axial contrast-enhanced T1 image, 12 bits."""
    header = new_header(series, number, sop_class=pydicom.uid.MRImageStorage, modality="MR")
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
    """Return a digitised mammogram, or a crop or mask of one; laterality is L or R."""
    header = new_header(series, number, sop_class=pydicom.uid.SecondaryCaptureImageStorage, modality="MG")
    header.ConversionType = "WSD"
    header.BodyPartExamined = "BREAST"
    header.Laterality = laterality
    header.PatientOrientation = None  # a view such as CC is not a patient orientation
    _add_pixels(header, stored, bits_stored=8 * stored.dtype.itemsize)
    header.SmallestImagePixelValue = int(stored.min())
    header.LargestImagePixelValue = int(stored.max())
    return header


def radiograph(stored: UInt16[np.ndarray, "rows cols"], *, series: Series, number: int) -> FileDataset:
    """Return a chest X-ray, 15 bits."""
    header = new_header(series, number, sop_class=pydicom.uid.ComputedRadiographyImageStorage, modality="CR")
    header.BodyPartExamined = "CHEST"
    header.ViewPosition = "PA"
    header.PatientOrientation = None
    _add_pixels(header, stored, bits_stored=15)
    return header


def write_dicom(image: FileDataset, path: Path) -> None:
    """Write a file and create the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


def new_header(series: Series, number: int, *, sop_class: UID, modality: str) -> FileDataset:
    """Return the attributes common to all images: patient, study, series and equipment modules, and phantom marks."""
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
    """Add the Image Plane and Frame of Reference modules; the images of a series share one frame of reference."""
    header.FrameOfReferenceUID = synthetic_uid(series.study_uid, "frame of reference")
    header.PositionReferenceIndicator = None
    header.ImagePositionPatient = list(geometry.position_mm)
    header.ImageOrientationPatient = list(AXIAL)
    header.PixelSpacing = [geometry.pixel_spacing_mm, geometry.pixel_spacing_mm]
    header.SliceThickness = geometry.slice_thickness_mm
    header.SliceLocation = geometry.position_mm[2]


def _add_pixels(header: FileDataset, stored: np.ndarray, *, bits_stored: int) -> None:
    """Add the Image Pixel module of one uncompressed grey image, padded to an even number of bytes (PS3.5 8.1.1)."""
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
