"""Find out what a folder is, from the names and headers of its files, and say why."""

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.request import KINDS, Kind, Notes, Request

USABLE = "kind not in ('', 'npz', 'GIF', 'BMP', 'JPEG 2000', 'git-lfs pointer') and problem = ''"
"""Condition of SQL for files that a manifest can name."""

_TABLES = ("csv", "tsv", "xlsx", "txt")


def recognize(catalogue: Catalogue, request: Request, notes: Notes) -> Kind:
    """Return what the folder is, and note why. Raises InputError where nothing fits."""
    if request.kind is not None:
        notes.found = f"{KINDS[request.kind]}, as stated with --as"
        return request.kind
    kind, why = _recognize(catalogue, request)
    notes.found = f"{KINDS[kind]}, because {why} (--as states another)"
    return kind


def _recognize(catalogue: Catalogue, request: Request) -> tuple[Kind, str]:
    images = catalogue.one(f"select count(*) from files where {USABLE}")
    arrays = catalogue.one("select count(*) from files where kind = 'npz'")
    dicom = catalogue.one(f"select count(*) from files where kind = 'DICOM' and {USABLE}")
    if _has(catalogue, "dataset.json") and _has_folder(catalogue, "imagesTr") and _has_folder(catalogue, "labelsTr"):
        return "nnunet", "it has dataset.json, imagesTr and labelsTr"
    if _has(catalogue, "participants.tsv") or _has(catalogue, "dataset_description.json"):
        return "bids", "it has participants.tsv or dataset_description.json"
    if request.table is None and request.pattern is None:
        _check_not_below(catalogue, request)
    if arrays and not images:
        return "npz", f"it holds {arrays} .npz file{'s' * (arrays > 1)} and no other images"
    if not images:
        raise InputError(_nothing(catalogue, request))
    if request.table is not None:
        if dicom > images / 2:
            return "dicom", f"{dicom:,} of {images:,} images are DICOM, and --table labels them"
        return "table", "--table was given"
    if (request.pattern is not None and "{label}" in request.pattern) or "?P<label>" in (request.pattern or ""):
        return "pattern", "--pattern holds the label"
    folders = "distinct substr(path, 1, length(path) - length(name))"
    if catalogue.one(f"select count({folders}) from files where {USABLE}") > 1:
        return "classes", "images lie in several folders, and no table was given"
    return "table", "all images lie in one folder"


def _check_not_below(catalogue: Catalogue, request: Request) -> None:
    """Refuse a folder that holds nnU-Net or BIDS sets, whose own folders would become classes. Raises InputError."""
    for mark, kind, beside in (("dataset.json", "nnU-Net", "imagesTr/"), ("participants.tsv", "BIDS", "sub-")):
        paths = catalogue.query("select path from files where name = ? order by path limit 1000", mark)
        below = [path.rpartition("/")[0] for path in paths]
        begins = "select 1 from files where path > ? and path < ? || char(1114109)"
        held = [place for place in below if catalogue.one(begins, *[f"{place}/{beside}"] * 2)]
        if held:
            raise InputError(
                f"{request.folder}: expected the folder of one {kind} data set, got one above {', '.join(held[:5])}; "
                f"give {request.folder / held[0]}"
            )
    pair = "select count(distinct folder) from files where folder in ('imagesTr', 'labelsTr')"
    if catalogue.one(pair) == 2:
        raise InputError(f"{request.folder}: expected dataset.json beside imagesTr and labelsTr, got none; add it")


def _has(catalogue: Catalogue, path: str) -> bool:
    return bool(catalogue.one("select count(*) from files where path = ?", path))


def _has_folder(catalogue: Catalogue, name: str) -> bool:
    return bool(catalogue.one("select count(*) from files where top = ?", name))


def tables_in(catalogue: Catalogue) -> list[str]:
    """Return the tables at the top of the folder, and in its folders if there is none at the top."""
    endings = " or ".join(f"lower(name) like '%.{ending}'" for ending in _TABLES)
    own = "name <> 'classes.txt' and lower(name) not like 'readme%' and lower(name) not like 'licen%'"
    found = list(catalogue.query(f"select path from files where ({endings}) and {own} order by path limit 1000"))
    return [path for path in found if "/" not in path] or found


def _nothing(catalogue: Catalogue, request: Request) -> str:
    total = catalogue.one("select count(*) from files")
    others = dict(catalogue.query("select kind, count(*) from files where kind <> '' group by kind order by 2 desc"))
    problem = catalogue.one("select problem from files where problem <> '' order by path limit 1")
    if not total:
        return f"{request.folder}: expected a folder of images, got an empty folder"
    if "git-lfs pointer" in others:
        return f"{request.folder}: expected images, got git-lfs pointers; run `git lfs pull` there"
    if problem:
        path = catalogue.one("select path from files where problem <> '' order by path limit 1")
        return f"{request.folder}: expected images, got none that can be read; {path} {problem}"
    found = ", ".join(f"{count:,} {kind}" for kind, count in others.items())
    return (
        f"{request.folder}: expected images (PNG, JPEG, TIFF, WebP, DICOM, NIfTI, NRRD, MetaImage, npy or npz), got "
        f"none among {total:,} files{f' ({found}: convert them to PNG)' if found else ''}"
    )
