"""Patients of DICOM rows from their headers, and what happens where folders, a table or a pattern say otherwise.

Where the headers name the patient of every image, they decide against folders. Patients of a table that share a
PatientID are joined; those that the user states stay. Without a PatientID, images of one study, or else of one series,
are of one patient. A PatientID says nothing if it is empty, a placeholder such as ANONYMOUS, or the same in all images.

A PatientID is copied only where the files say that the patient's identity was removed (0012,0062); elsewhere patients
are numbered, because a PatientID may be a record number.
"""

import re

from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.request import Notes

_IDS = {"PatientID": "patient", "StudyInstanceUID": "study", "SeriesInstanceUID": "series"}
_PLACEHOLDER = re.compile(
    r"\W*|(?:anon(?:ymous|ymi[sz]ed|ymi[sz]ation|ym|ymisiert)?|unknown|unbekannt|none|null|nan|n/?a|removed|deleted"
    r"|de[-_ ]?identified|no[-_ ]?id|patient(?:[-_ ]?id)?|subject|test|x+)",
    re.IGNORECASE,
)
_NAMED = "rows r join named n on n.path = r.path"


def patients_from_headers(catalogue: Catalogue, notes: Notes) -> None:
    """Give DICOM rows the patients that their headers name, and say where these come from."""
    _find_named(catalogue, notes)
    total = catalogue.one("select count(*) from rows")
    whole = total == catalogue.one("select count(*) from named where kind = 'PatientID'")
    groups, people, both = catalogue.one(
        f"select count(distinct patient_id), count(distinct who), count(distinct patient_id || char(10) || who) "
        f"from {_NAMED} where patient_id <> ''"
    )
    if not groups == people == both:
        _settle(catalogue, notes, whole=whole, groups=groups, people=people)
    elif notes.patients:
        notes.unsure.append(notes.patients)
    _fill(catalogue, notes)


def _find_named(catalogue: Catalogue, notes: Notes) -> None:
    """Fill a table of the paths of rows whose header names a patient, study or series, and which."""
    catalogue.define("is_placeholder", lambda text: _PLACEHOLDER.fullmatch(text) is not None, arguments=1)
    catalogue.run("create temp table named (path text primary key, kind text, who text)")
    total = catalogue.one("select count(*) from rows")
    for kind, column in _IDS.items():
        if catalogue.one("select count(*) from named") == total:
            break
        own = f"from rows r join dicom d on d.path = r.path where not is_placeholder(d.{column})"
        count, different = catalogue.one(f"select count(*), count(distinct d.{column}) {own}")
        if different == 1 and count == total > 1:
            notes.unsure.append(f"all images have the same {kind}, which is not taken for a patient")
        else:
            catalogue.run(f"insert or ignore into named select r.path, '{kind}', '{kind} ' || d.{column} {own}")
    catalogue.run("create index by_who on named (who)")


def _settle(catalogue: Catalogue, notes: Notes, *, whole: bool, groups: int, people: int) -> None:
    """Bring the patients of the rows in step with those of the headers, and say how."""
    if notes.patients_by == "stated":
        notes.unsure.append(
            f"the stated patients ({groups:,}) group the images otherwise than the DICOM headers ({people:,})"
        )
    elif notes.patients_by == "folders" and whole:
        catalogue.run("update rows set patient_id = '' where path in (select path from named)")
        notes.unsure.append(
            f"the DICOM headers name {people:,} patients, which are taken; the folders would give {groups:,} others"
        )
    else:
        count = _join_shared(catalogue)
        if notes.patients:
            notes.unsure.append(notes.patients)
        if count:
            notes.unsure.append(
                f"{count:,} patients that share a PatientID, study or series of the DICOM headers with another were "
                "joined with it"
            )


def _join_shared(catalogue: Catalogue) -> int:
    """Make one patient of those whose rows share a header's patient. Returns the number of patients so joined."""
    pairs = f"select distinct n.who, r.patient_id from {_NAMED} where r.patient_id <> ''"
    shared = f"select who from ({pairs}) group by who having count(*) > 1"
    parent: dict[str, str] = {}
    first: dict[str, str] = {}
    for who, patient in catalogue.query(f"select * from ({pairs}) where who in ({shared}) order by who, patient_id"):
        one, other = sorted((_top(parent, first.setdefault(who, patient)), _top(parent, patient)))
        parent[other] = one
    catalogue.run("create temp table joined (patient text primary key, into_patient text)")
    catalogue.add("joined", [(patient, _top(parent, patient)) for patient in list(parent)], width=2)
    catalogue.run(
        "update rows set patient_id = (select into_patient from joined where patient = patient_id) "
        "where patient_id in (select patient from joined)"
    )
    return len(parent)


def _top(parent: dict[str, str], patient: str) -> str:
    while parent.setdefault(patient, patient) != patient:
        parent[patient] = patient = parent[parent[patient]]
    return patient


def _fill(catalogue: Catalogue, notes: Notes) -> None:
    """Give rows without a patient that of other rows of the same header's patient, or else its id or number."""
    open_rows = f"from {_NAMED} join dicom d on d.path = r.path where r.patient_id = ''"
    count, removed = catalogue.one(f"select count(*), min(d.removed) {open_rows} and n.kind = 'PatientID'")
    others = catalogue.one(f"select count(*) {open_rows} and n.kind <> 'PatientID'")
    catalogue.run("create temp table people (who text primary key, patient text)")
    catalogue.run(
        f"insert into people select n.who, min(r.patient_id) from {_NAMED} where r.patient_id <> '' group by n.who"
    )
    name = "substr(who, length('PatientID ') + 1)" if removed else "printf('p%05d', place)"
    catalogue.run(
        f"insert into people select who, case kind when 'PatientID' then {name} else printf('study%05d', place) end "
        "from (select who, kind, row_number() over (order by min(path)) as place from named "
        "where who not in (select who from people) group by who)"
    )
    catalogue.run(
        "update rows set patient_id = (select p.patient from people p join named n on n.who = p.who "
        "where n.path = rows.path) where patient_id = '' and path in (select path from named)"
    )
    _tell(notes, count=count, removed=bool(removed), others=others)


def _tell(notes: Notes, *, count: int, removed: bool, others: int) -> None:
    if count and removed:
        notes.unsure.append(
            "the patients are the PatientIDs of the DICOM headers, whose identity was removed (0012,0062)"
        )
    elif count:
        notes.unsure.append(
            "the patients are numbered by PatientID, because the headers do not say that identities were "
            "removed (0012,0062)"
        )
    if others:
        notes.unsure.append(
            f"{others:,} images have no PatientID that tells patients apart; those of one StudyInstanceUID, or else "
            "SeriesInstanceUID, are one patient, so a patient with several studies counts as several: state who it is "
            "with --table or --pattern"
        )
