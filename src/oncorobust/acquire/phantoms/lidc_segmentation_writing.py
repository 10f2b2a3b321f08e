"""Writer of readers' marks as DICOM segmentations (SEG) and reports (SR), as Imaging Data Commons has LIDC-IDRI's.

One file of each kind per annotation, in series of their own, with the names and codes of the published files: "Nodule 1
- Annotation <id>", segment, tracking UID of the nodule, malignancy as RID36042 (RadLex) with 901 to 905 (99LIDCQIICR).
Frames without a pixel are left out. Source: Fedorov et al., Medical Physics 47, 2020, and their program lidc2dicom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pydicom.uid
from jaxtyping import Bool
from pydicom.dataset import Dataset, FileDataset

from oncorobust.acquire.phantoms.dicom_writing import AXIAL, Geometry, Series, new_header, synthetic_uid

MALIGNANCY_MEANINGS = (
    "1 out of 5 (Highly Unlikely for Cancer)",
    "2 out of 5 (Moderately Unlikely for Cancer)",
    "3 out of 5 (Indeterminate Likelihood)",
    "4 out of 5 (Moderately Suspicious for Cancer)",
    "5 out of 5 (Highly Suspicious for Cancer)",
)
_LUNG, _NODULE = ("T-28000", "SRT", "Lung"), ("M-03010", "SRT", "Nodule")
_ABNORMAL = ("M-01000", "SRT", "Morphologically Altered Structure")


@dataclass(frozen=True)
class SegmentedSlice:
    """One reader's pixels on one CT image, and where the image lies."""

    sop_uid: str
    geometry: Geometry
    mask: Bool[np.ndarray, "rows cols"]


@dataclass(frozen=True)
class Named:
    """Number of the nodule in its series, from 1, and the identifier of the annotation."""

    nodule: int
    annotation: str

    @property
    def text(self) -> str:
        """Return the name that both files bear."""
        return f"Nodule {self.nodule} - Annotation {self.annotation}"


def segmentation(slices: Sequence[SegmentedSlice], *, ct: Series, name: Named, number: int) -> FileDataset:
    """Return the segmentation of one annotation, with a frame for each slice, in the given order.

    ct: the CT series. number: SeriesNumber.
    """
    file = new_header(
        _series(ct, f"Segmentation of {name.text}", number),
        1,
        sop_class=pydicom.uid.SegmentationStorage,
        modality="SEG",
    )
    file.ImageType = ["DERIVED", "PRIMARY"]
    file.ContentDate, file.ContentTime = ct.date, "000000"
    file.DeviceSerialNumber = "0"
    file.SoftwareVersions = "0"
    file.FrameOfReferenceUID = synthetic_uid(ct.study_uid, "frame of reference")
    file.PositionReferenceIndicator = None
    sources = [_item(ReferencedSOPClassUID=_CT, ReferencedSOPInstanceUID=one.sop_uid) for one in slices]
    file.ReferencedSeriesSequence = [_item(ReferencedInstanceSequence=sources, SeriesInstanceUID=ct.series_uid)]
    file.ContentLabel = "SEGMENTATION"
    file.ContentDescription = "Lung nodule segmentation"
    file.ContentCreatorName = "SYNTHETIC^READER"
    file.SegmentationType = "BINARY"
    file.LossyImageCompression = "00"
    file.SegmentsOverlap = "NO"
    file.SegmentSequence = [_segment(ct, name)]
    _add_frames(file, slices)
    return file


def report(malignancy: int, *, segments: FileDataset, ct: Series, name: Named, number: int) -> FileDataset:
    """Return the report that rates the segmentation of one annotation; malignancy is from 1 to 5."""
    file = new_header(
        _series(ct, f"{name.text} evaluations", number), 1, sop_class=pydicom.uid.EnhancedSRStorage, modality="SR"
    )
    del file.ImageComments
    file.ContentDate, file.ContentTime = ct.date, "000000"
    file.ReferencedPerformedProcedureStepSequence = []
    file.PerformedProcedureCodeSequence = []
    file.CompletionFlag, file.VerificationFlag = "COMPLETE", "UNVERIFIED"
    reference = _item(
        ReferencedSOPClassUID=pydicom.uid.SegmentationStorage, ReferencedSOPInstanceUID=segments.SOPInstanceUID
    )
    evidence = _item(ReferencedSOPSequence=[reference], SeriesInstanceUID=segments.SeriesInstanceUID)
    file.CurrentRequestedProcedureEvidenceSequence = [
        _item(StudyInstanceUID=ct.study_uid, ReferencedSeriesSequence=[evidence])
    ]
    group = _group(malignancy, segments, ct, name)
    measurements = _container(("126010", "DCM", "Imaging Measurements"), [group], relation="CONTAINS")
    root = _container(("126000", "DCM", "Imaging Measurement Report"), [measurements], relation=None)
    template = _item(MappingResource="DCMR", TemplateIdentifier="1500")
    file.update(root)
    file.ContentTemplateSequence = [template]
    return file


_CT = pydicom.uid.CTImageStorage


def _series(ct: Series, description: str, number: int) -> Series:
    """Return the series of an annotation's file, in the study of the CT series, explicit VR as published."""
    uid = synthetic_uid(ct.series_uid, description)
    return replace(ct, series_uid=uid, number=number, description=description, implicit_vr=False)


def _tracking_uid(ct: Series, name: Named) -> str:
    return synthetic_uid(ct.series_uid, "nodule", name.nodule)


def _segment(ct: Series, name: Named) -> Dataset:
    return _item(
        SegmentNumber=1,
        SegmentLabel=name.text,
        SegmentDescription=name.text,
        SegmentAlgorithmType="MANUAL",
        AnatomicRegionSequence=[_code(*_LUNG)],
        SegmentedPropertyCategoryCodeSequence=[_code(*_ABNORMAL)],
        SegmentedPropertyTypeCodeSequence=[_code(*_NODULE)],
        TrackingID=f"Nodule {name.nodule}",
        TrackingUID=_tracking_uid(ct, name),
    )


def _add_frames(file: FileDataset, slices: Sequence[SegmentedSlice]) -> None:
    organization = synthetic_uid(file.SOPInstanceUID, "dimensions")
    geometry, spacing = slices[0].geometry, slices[0].geometry.pixel_spacing_mm
    file.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organization)]
    dimensions = ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113))  # segment, then position
    file.DimensionIndexSequence = [
        _item(DimensionOrganizationUID=organization, DimensionIndexPointer=pointer, FunctionalGroupPointer=group)
        for pointer, group in dimensions
    ]
    measures = _item(
        SliceThickness=geometry.slice_thickness_mm,
        SpacingBetweenSlices=geometry.slice_thickness_mm,
        PixelSpacing=[spacing, spacing],
    )
    file.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=list(AXIAL))],
            PixelMeasuresSequence=[measures],
            SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=1)],
        )
    ]
    file.PerFrameFunctionalGroupsSequence = [_frame(one, number) for number, one in enumerate(slices, start=1)]
    file.NumberOfFrames = len(slices)
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Rows, file.Columns = slices[0].mask.shape
    file.BitsAllocated = file.BitsStored = 1
    file.HighBit = file.PixelRepresentation = 0
    packed = np.packbits(np.stack([one.mask for one in slices]), bitorder="little").tobytes()
    file.add_new("PixelData", "OB", packed + bytes(len(packed) % 2))


def _frame(one: SegmentedSlice, number: int) -> Dataset:
    source = _item(
        ReferencedSOPClassUID=_CT,
        ReferencedSOPInstanceUID=one.sop_uid,
        PurposeOfReferenceCodeSequence=[_code("121322", "DCM", "Source image for image processing operation")],
    )
    derivation = _item(SourceImageSequence=[source], DerivationCodeSequence=[_code("113076", "DCM", "Segmentation")])
    return _item(
        DerivationImageSequence=[derivation],
        FrameContentSequence=[_item(DimensionIndexValues=[1, number])],
        PlanePositionSequence=[_item(ImagePositionPatient=list(one.geometry.position_mm))],
    )


def _group(malignancy: int, segments: FileDataset, ct: Series, name: Named) -> Dataset:
    segment = _item(
        ReferencedSOPClassUID=pydicom.uid.SegmentationStorage,
        ReferencedSOPInstanceUID=segments.SOPInstanceUID,
        ReferencedSegmentNumber=1,
    )
    rating = (f"90{malignancy}", "99LIDCQIICR", MALIGNANCY_MEANINGS[malignancy - 1])
    uid = {"UID": _tracking_uid(ct, name)}
    content = [
        _content(
            "TEXT", ("112039", "DCM", "Tracking Identifier"), {"TextValue": f"Nodule {name.nodule}"}, "HAS OBS CONTEXT"
        ),
        _content("UIDREF", ("112040", "DCM", "Tracking Unique Identifier"), uid, "HAS OBS CONTEXT"),
        _content("CODE", ("121071", "DCM", "Finding"), {"ConceptCodeSequence": [_code(*_NODULE)]}),
        _content("IMAGE", ("121191", "DCM", "Referenced Segment"), {"ReferencedSOPSequence": [segment]}),
        _content("UIDREF", ("121232", "DCM", "Source series for segmentation"), {"UID": ct.series_uid}),
        _content("CODE", ("RID36042", "RadLex", "Malignancy"), {"ConceptCodeSequence": [_code(*rating)]}),
    ]
    return _container(("125007", "DCM", "Measurement Group"), content, relation="CONTAINS")


def _container(concept: tuple[str, str, str], content: list[Dataset], *, relation: str | None) -> Dataset:
    parts = {"ContinuityOfContent": "SEPARATE", "ContentSequence": content}
    return _content("CONTAINER", concept, parts, relation)


def _content(
    kind: str, concept: tuple[str, str, str], parts: Mapping[str, object], relation: str | None = "CONTAINS"
) -> Dataset:
    related = {} if relation is None else {"RelationshipType": relation}
    return _item(**related, ValueType=kind, ConceptNameCodeSequence=[_code(*concept)], **parts)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
