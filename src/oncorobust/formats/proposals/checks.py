"""Checks of the proposed rows that a run would fail on, or that would make its results wrong."""

import unicodedata

from oncorobust.base.errors import InputError
from oncorobust.base.safe_text import refused_character
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.request import Notes, Request


def join_spellings(catalogue: Catalogue) -> None:
    """Write labels and patients in one Unicode form (NFC): macOS decomposes accents in names of folders."""
    catalogue.define("composed", lambda text: unicodedata.normalize("NFC", text), arguments=1)
    catalogue.run("update rows set label = composed(label), patient_id = composed(patient_id)")


def keep_classes(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Leave out the classes that the user names, and check those that remain. Raises InputError."""
    for name in request.without:
        count = catalogue.run("delete from rows where label = ?", name)
        if not count:
            known = ", ".join(catalogue.query("select distinct label from rows order by 1 limit 20"))
            raise InputError(f"--without: expected one of the classes {known}, got {name!r}")
        notes.leave_out(f"images of class {name} (--without)", count, [])
    labels = list(catalogue.query("select distinct label from rows order by 1 limit 1000"))
    if len(labels) < 2:
        found = f"only {labels[0]!r}" if labels else "no labelled image"
        raise InputError(f"{request.folder}: expected images of at least two classes, got {found} ({notes.found})")
    for one in labels:
        if (mark := refused_character(one)) or not one:
            raise InputError(f"expected class names of plain characters, got {mark or 'an empty one'} in {one!r}")
    spelled: dict[str, str] = {}
    for one in labels:
        other = spelled.setdefault(one.casefold(), one)
        if other != one:
            raise InputError(f"expected one spelling of each class, got {other!r} and {one!r}; rename one of them")


def check_identical(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Refuse identical images with two labels, and count other identical ones. Raises InputError.

    The same slice or frame of identical files is the same image, and so is a slice that the volume chooses. Images in
    `.npz` files are not compared.
    """
    image = "hex(f.digest) || ' ' || r.frame || case when r.slice in ('largest', 'middle') then '' else r.slice end"
    catalogue.run(
        f"create temp table copies as select {image} as digest, r.number as number, r.path as path, r.label as label, "
        "r.patient_id as patient, r.split as split from rows r join files f on f.path = r.path where array = '' and "
        "f.digest in (select digest from files where digest is not null group by digest having count(*) > 1)"
    )
    catalogue.run("create index of_copies on copies (digest, label)")
    groups = "select digest from copies group by digest having count(distinct label) > 1"
    conflicts = catalogue.one(f"select count(*) from copies where digest in ({groups})")
    if conflicts and not request.drop_conflicts:
        one, other = catalogue.one(
            "select a.path, b.path from copies a join copies b on a.digest = b.digest and a.label < b.label "
            "where a.digest "
            f"in ({groups}) order by a.path, b.path limit 1"
        )
        raise InputError(
            f"expected one label for each image, got {conflicts:,} files that are identical to one of another "
            "class, for "
            f"example {one!r} and {other!r}; correct their labels, or leave all of them out with --drop-conflicts"
        )
    if conflicts:
        paths = list(catalogue.query(f"select path from copies where digest in ({groups}) order by path limit 10"))
        catalogue.run(f"delete from rows where number in (select number from copies where digest in ({groups}))")
        notes.leave_out("images are identical to one of another class (--drop-conflicts)", conflicts, paths)
        catalogue.run(f"delete from copies where digest in ({groups})")
    total, kinds = catalogue.one(
        "select count(*), count(distinct digest) from copies where digest in (select digest from copies group "
        "by digest "
        "having count(*) > 1)"
    )
    if total:
        apart = catalogue.one(
            "select count(*) from (select 1 from copies group by digest having count(distinct patient) > 1)"
        )
        notes.told.append(
            f"{total:,} files are copies of each other ({kinds:,} different images, {apart:,} with more than "
            "one patient); "
            "they are kept, and preprocess.duplicates decides how they are split"
        )


def check_patients_of_classes(catalogue: Catalogue, request: Request) -> None:
    """Refuse a class of one patient, where the split is not given. Raises InputError."""
    if catalogue.one("select count(*) from rows where split <> ''"):
        return
    single = "from rows group by label having count(distinct patient_id) = 1"
    found = catalogue.one(f"select label, count(*) {single} order by label limit 1")
    if found and catalogue.one(f"select count(*) from (select 1 {single})") == catalogue.one(
        "select count(distinct label) from rows"
    ):
        _check_several_patients(catalogue, request)
        raise InputError(
            f"{request.folder}: expected classes, got one patient in each, for example in {found[0]!r}: these look "
            "like patients; state the labels with --table (columns of patient and label)"
        )
    if found:
        raise InputError(
            f"{request.folder}: expected at least two patients in each class, got one in {found[0]!r} "
            f"({found[1]:,} images), "
            f"which cannot be in training and test; add patients, or leave the class out with --without {found[0]!r}"
        )


def _check_several_patients(catalogue: Catalogue, request: Request) -> None:
    """Refuse one patient for all images. Raises InputError."""
    images, patients = catalogue.one("select count(*), count(distinct patient_id) from rows")
    if patients > 1:
        return
    raise InputError(
        f"{request.folder}: expected images of several patients, got one patient for all {images:,} images; state the "
        "patients with --pattern, or with a table (--patient-column)"
    )


def settle_splits(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Keep the split where it is whole, and check that no patient is in two. Raises InputError."""
    counts = dict(catalogue.query("select split, count(*) from rows group by split"))
    if set(counts) == {""}:
        return
    if request.no_split or "" in counts or not {"train", "test"} <= set(counts):
        catalogue.run("update rows set split = ''")
        shown = ", ".join(f"{count:,} {name or 'without a split'}" for name, count in sorted(counts.items()))
        why = (
            "as stated with --no-split" if request.no_split else f"which needs train and test for all images ({shown})"
        )
        notes.told.append(f"the given split is left out, {why}")
        return
    found = catalogue.one(
        "select min(path), (select min(b.path) from rows b where b.patient_id = a.patient_id and b.split <> "
        "(select c.split "
        "from rows c where c.patient_id = a.patient_id order by c.path limit 1)) from rows a group by "
        "a.patient_id having "
        "count(distinct a.split) > 1 order by 1 limit 1"
    )
    if found:
        number = catalogue.one(
            "select count(*) from (select 1 from rows group by patient_id having count(distinct split) > 1)"
        )
        raise InputError(
            f"expected each patient in one split, got {number:,} patients in two, for example with {found[0]!r} and "
            f"{found[1]!r}; leave the given split out with --no-split, and patients will be split anew"
        )
    notes.told.append("the split is given: `preprocess.split.use_given: true` uses it")
