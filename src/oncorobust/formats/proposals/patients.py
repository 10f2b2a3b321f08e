"""Patients of proposed rows: one for different spellings of an id, and one per file where nothing says who it is of."""

import re

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.request import Notes, Request


def settle_alike(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Settle patient ids that differ only in case, spaces or leading zeros. Raises InputError unless told how."""
    catalogue.define("plain_id", plain_id, arguments=1)
    catalogue.run("create temp table spellings (patient text primary key, plain text)")
    catalogue.run(
        "insert into spellings select distinct patient_id, plain_id(patient_id) from rows where patient_id <> ''"
    )
    catalogue.run("create index by_plain on spellings (plain)")
    alike = "select plain from spellings group by plain having count(*) > 1"
    count = catalogue.one(f"select count(*) from spellings where plain in ({alike})")
    if not count or request.alike == "different":
        return
    one, other = list(
        catalogue.query(f"select patient from spellings where plain in ({alike}) order by plain, patient limit 2")
    )
    if request.alike is None:
        raise InputError(
            f"expected one spelling of each patient, got {count} ids that differ from another only in case, spaces or "
            f"leading zeros, for example {one!r} and {other!r}; say whether they are the same patients with "
            "--alike same "
            "or --alike different"
        )
    catalogue.run(
        "update rows set patient_id = (select min(o.patient) from spellings s join spellings o on o.plain = s.plain "
        "where s.patient = rows.patient_id) where patient_id <> ''"
    )
    notes.told.append(f"{count} patient ids that differ only in case, spaces or leading zeros were joined, as stated")


def one_patient_per_file(catalogue: Catalogue, notes: Notes) -> None:
    """Give rows without a patient their image_id."""
    count = catalogue.run("update rows set patient_id = image_id where patient_id = ''")
    if not count:
        return
    total, example = catalogue.one("select count(*), min(path) from rows")
    which = "every image" if count == total else f"each of {count:,} images"
    notes.unsure.append(
        f"{which} is a patient of its own, because none was found; if a patient has several images, state who it is "
        f"with --pattern (for names such as {example.rpartition('/')[2]!r}) or --patient-column, or splits "
        "will mix them"
    )


def plain_id(name: str) -> str:
    """Return an id without case, white space and leading zeros of its numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", "".join(name.split()).casefold())
