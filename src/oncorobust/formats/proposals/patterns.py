"""Labels, patients and splits from file names, by a pattern with named places.

A pattern such as `{patient_id}_{label}_{*}.png` names `label`, `patient_id`, `split` and `image`; `{*}` and `*` stand
for anything. Each place takes as few characters as it can, and no slash. A pattern with a slash is compared with the
whole path, any other with the file name. After `re:` stands a regular expression with the same names as groups.
"""

import re
from collections.abc import Callable, Iterator

from oncorobust.base.errors import InputError
from oncorobust.formats.proposals.catalogue import Catalogue, ProposedRow
from oncorobust.formats.proposals.folders import SPLIT_WORDS
from oncorobust.formats.proposals.recognition import USABLE
from oncorobust.formats.proposals.request import Notes, Request

NAMES = ("label", "patient_id", "split")
_PLACE = re.compile(r"\{([^{}]*)\}|\*")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern. Raises InputError for an unknown name or a faulty expression."""
    try:
        found = re.compile(pattern[3:] if pattern.startswith("re:") else _expression(pattern))
    except re.error as error:
        raise InputError(f"--pattern: expected a pattern, got {error} in {pattern!r}") from error
    if unknown := set(found.groupindex) - {*NAMES, "image"}:
        raise InputError(
            f"--pattern: expected the names {', '.join(NAMES)} and image, or {{*}} for anything, got "
            f"{sorted(unknown)[0]!r}"
        )
    if not set(found.groupindex) & set(NAMES):
        raise InputError(f"--pattern: expected at least one of {', '.join(NAMES)} in braces, got {pattern!r}")
    return found


def _expression(pattern: str) -> str:
    parts, place = [], 0
    for match in _PLACE.finditer(pattern):
        parts.append(re.escape(pattern[place : match.start()]))
        name = match[1] if match[1] is not None else "*"
        parts.append("[^/]*?" if name in ("*", "") else f"(?P<{name}>[^/]+?)")
        place = match.end()
    return "".join((*parts, re.escape(pattern[place:])))


def propose_pattern(catalogue: Catalogue, pattern: str, notes: Notes) -> None:
    """Propose a row for every image whose name fits the pattern. Raises InputError if none fits."""
    fit = _fitting(pattern)
    names: list[str] = []
    count = fitted = 0

    def rows() -> Iterator[ProposedRow]:
        nonlocal count, fitted
        for path in catalogue.query(f"select path from files where {USABLE} order by path"):
            match = fit(path)
            if match is None:
                count += 1
                names.append(path) if len(names) < 10 else None
                continue
            fitted += 1
            found = match.groupdict(default="")
            yield ProposedRow(path, found["label"], found.get("patient_id", ""), _split(found.get("split", ""), path))

    if "label" not in compile_pattern(pattern).groupindex:
        raise InputError(f"--pattern: expected {{label}} in a pattern of labels, got {pattern!r}")
    catalogue.propose(rows())
    if not fitted:
        raise InputError(
            f"--pattern: expected a pattern of the file names, got {pattern!r}, which none of {count:,} fits, "
            f"for example {names[0]!r}"
        )
    notes.leave_out("images have no label, because their names do not fit the pattern", count, names)
    if "patient_id" in compile_pattern(pattern).groupindex:
        notes.patients_by = "stated"


def fill_from_pattern(catalogue: Catalogue, request: Request, notes: Notes) -> None:
    """Take the patients and splits that a pattern names, in place of guesses; rows that it does not fit keep theirs.

    Raises InputError if the pattern fits no file, or if a column is stated for the same.
    """
    pattern = request.pattern or ""
    fit, names = _fitting(pattern), compile_pattern(pattern).groupindex.keys()

    def place(path: str, name: str) -> str:
        match = fit(path)
        found = "" if match is None else match.groupdict(default="")[name]
        return _split(found, path) if name == "split" else found

    catalogue.define("place_of", place, arguments=2)
    for name, stated in (("patient_id", request.patient_column), ("split", request.split_column)):
        if name in names:
            if stated is not None:
                raise InputError(f"--pattern: expected one source of {name}, got {pattern!r} and the column {stated!r}")
            found = f"place_of(path, '{name}')"
            fitted = catalogue.run(f"update rows set {name} = {found} where {found} <> ''")
            _tell_unfitted(catalogue, pattern, name, fitted, notes)
    if "patient_id" in names:
        notes.patients, notes.patients_by = "", "stated"


def _tell_unfitted(catalogue: Catalogue, pattern: str, name: str, fitted: int, notes: Notes) -> None:
    example = catalogue.one(f"select path from rows where place_of(path, '{name}') = '' order by path limit 1")
    if example is None:
        return
    if not fitted:
        raise InputError(
            f"--pattern: expected a pattern of the file names, got {pattern!r}, which none fits, for example "
            f"{example!r}"
        )
    count = catalogue.one("select count(*) from rows") - fitted
    notes.unsure.append(f"{count:,} images do not fit --pattern, which gives the {name}, for example {example!r}")


def _fitting(pattern: str) -> Callable[[str], re.Match[str] | None]:
    expression, whole = compile_pattern(pattern), "/" in pattern
    return lambda path: expression.fullmatch(path if whole else path.rpartition("/")[2])


def _split(found: str, path: str) -> str:
    if found and found.lower() not in SPLIT_WORDS:
        raise InputError(f"--pattern: expected a split such as train, val or test, got {found!r} in {path!r}")
    return SPLIT_WORDS[found.lower()] if found else ""
