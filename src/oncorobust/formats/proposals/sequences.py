"""Volumes of several sequences of one case, such as `x_t1.nii.gz` and `x_flair.nii.gz`: told, or one of them chosen."""

from collections import Counter

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request

_VOLUMES = f"kind in ('NIfTI', 'NRRD', 'MetaImage') and depth > 1 and {USABLE}"
_CASE = "substr(path, 1, length(path) - length(name)) || substr(stem, 1, length(stem) - length(sequence_of(stem)))"
_MOST = 12
_NEARLY_ALL = 0.9
_MARKS = "_-. "


def choose_sequence(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Keep the volumes whose name ends in --modality, or say which sequences there are. Raises InputError.

    Fills the table `cases`.
    """
    counts = _sequences(catalogue)
    shown = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    if not counts:
        return
    catalogue.run(f"insert into cases select path, rtrim({_CASE}, '{_MARKS}/') from files where {_VOLUMES}")
    if request.modality is None:
        notes.unsure.append(
            f"the volumes of a case are sequences ({shown}), each of which is an image; --modality "
            f"{min(counts)} takes one alone"
        )
        return
    if request.modality not in counts:
        raise InputError(f"--modality: expected one of {', '.join(sorted(counts))}, got {request.modality!r}")
    others = f"from files where {_VOLUMES} and sequence_of(stem) <> ?"
    paths = list(catalogue.query(f"select path {others} order by path limit 10", request.modality))
    count = catalogue.one(f"select count(*) {others}", request.modality)
    catalogue.run(f"update files set problem = 'left out' where path in (select path {others})", request.modality)
    notes.leave_out(f"volumes are not {request.modality} (--modality)", count, paths)


def _sequences(catalogue: Catalogue) -> Counter[str]:
    """Return the ends of names that the volumes of nearly each case differ in, with counts; empty without such."""
    catalogue.define("sequence_of", sequence_of, arguments=1)
    counted = f"select sequence_of(stem), count(*) from files where {_VOLUMES} group by 1"
    counts = Counter[str](dict(catalogue.query(counted)))
    each = f"select count(distinct sequence_of(stem)) as n from files where {_VOLUMES} group by {_CASE}"
    cases, several = catalogue.one(f"select count(*), sum(n > 1) from ({each})")
    if "" in counts or not 2 <= len(counts) <= _MOST or several < _NEARLY_ALL * cases:
        return Counter()
    return counts if min(counts.values()) > cases / 2 else Counter()


def sequence_of(stem: str) -> str:
    """Return what follows the last mark of a name if it begins with a letter, the whole name without a mark."""
    last = stem[max(map(stem.rfind, _MARKS)) + 1 :]
    return last if last[:1].isalpha() else ""
