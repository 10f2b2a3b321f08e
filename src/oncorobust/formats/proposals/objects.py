"""DICOM objects: which are images to classify, of one modality, and which image stands for a series."""

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.dicom_headers import SECONDARY
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request

_EXAMPLES = 10


def leave_out_objects(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Take objects that are no images to classify out of the usable files. Raises InputError for mixed modalities."""
    images = catalogue.one("select count(*) from dicom where role = ''")
    if not images and catalogue.one("select count(*) from dicom where role = ?", SECONDARY):
        catalogue.run("update dicom set role = '' where role = ?", SECONDARY)
        notes.unsure.append("all DICOM images are secondary captures, so they are kept")
    for role, count in list(catalogue.query("select role, count(*) from dicom where role <> '' group by role")):
        _leave_out(catalogue, f"DICOM files {role}", count, "role = ?", role, notes)
    found = dict(
        catalogue.query(
            f"select d.modality, count(*) from dicom d join files f on f.path = d.path where {USABLE} group by "
            "d.modality"
        )
    )
    if request.modality is not None and found:
        if request.modality not in found:
            raise InputError(f"--modality: expected one of {', '.join(found)}, got {request.modality!r}")
        others = sum(found.values()) - found[request.modality]
        _leave_out(
            catalogue, f"DICOM files are not {request.modality}", others, "modality <> ?", request.modality, notes
        )
    elif len(found) > 1:
        counts = " and ".join(f"{count:,} of {name or 'none'}" for name, count in sorted(found.items()))
        raise InputError(
            f"{request.folder}: expected images of one modality, got {counts}; choose one with --modality "
            f"{max(found, key=lambda name: found[name])}"
        )
    if request.middle:
        _keep_middle(catalogue, notes)
    else:
        _tell_series(catalogue, notes)


def _leave_out(catalogue: Catalogue, reason: str, count: int, condition: str, value: str, notes: Notes) -> None:
    paths = f"select path from dicom where {condition}"
    notes.leave_out(reason, count, list(catalogue.query(f"{paths} order by path limit {_EXAMPLES}", value)))
    catalogue.run(f"update files set problem = 'left out' where path in ({paths})", value)


def _keep_middle(catalogue: Catalogue, notes: Notes) -> None:
    """Keep the middle image of each series, by position along the slice normal."""
    catalogue.run("create temp table kept (path text primary key)")
    catalogue.run(
        "insert into kept select path from (select d.path as path, row_number() over (partition by d.series order by "
        "d.place, d.path) as number, count(*) over (partition by d.series) as total from dicom d join files f on "
        f"f.path = d.path where {USABLE}) where number = (total + 1) / 2"
    )
    rest = "path in (select path from dicom) and path not in (select path from kept) and problem = ''"
    count = catalogue.run(f"update files set problem = 'left out' where {rest}")
    notes.leave_out("DICOM files are not the middle image of their series (--middle)", count, [])


def _tell_series(catalogue: Catalogue, notes: Notes) -> None:
    found = catalogue.one(
        "select count(*), max(n) from (select count(*) as n from dicom d join files f on f.path = d.path where "
        f"{USABLE} group by d.series having count(*) > 1)"
    )
    if found and found[0]:
        notes.unsure.append(
            f"{found[0]:,} series have several images (up to {found[1]:,}); each is a row with the series' "
            "label, though "
            "not every slice may show the finding (--middle takes the middle slice alone)"
        )
