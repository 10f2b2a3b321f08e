"""What a publication of a run cites, in BibTeX: the paper, the data sets of the run, the tools and the attacks.

The entries stand in references.bib beside this module; this module chooses those of a run. A data set whose images were
generated is not cited, because no image of it was used: a comment says so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_PAPER = ("joel2021", "joel2022", "oncorobust")
_TOOLS = ("nicolae2018", "chollet2015", "moelder2021", "dvc")
_OF_FORMAT = {
    "lidc": ("armato2011", "lidc_idri", "clark2013"),
    "cbis_ddsm": ("lee2017", "cbis_ddsm", "clark2013"),
    "mnist": ("lecun1998",),
    "cifar10": ("krizhevsky2009",),
}
"""Entries of the data sets that have a format of their own; images of any other format are the user's."""
_OF_ATTACK = {
    "fgsm": "goodfellow2015",
    "bim": "kurakin2017",
    "pgd": "madry2018",
    "apgd": "croce2020",
    "fmn": "pintor2021",
    "square": "andriushchenko2020",
}
_CERTIFICATES = "cohen2019"


def citations(summaries: Mapping[str, Mapping[str, Any]], *, attacks: Sequence[str], certified: bool) -> str:
    """Return the BibTeX file of a run.

    summaries: summary.json by data set. attacks: names of those that were run. certified: whether any model has
    certificates.
    """
    used = [summary for summary in summaries.values() if not summary["synthetic"]]
    keys = [
        *_PAPER,
        *(key for summary in used for key in _OF_FORMAT.get(summary["format"], ())),
        *_TOOLS,
        *(_OF_ATTACK[attack] for attack in attacks if attack in _OF_ATTACK),
        *([_CERTIFICATES] if certified else []),
    ]
    return "\n".join([*_comments(summaries), *(_entries()[key] for key in dict.fromkeys(keys))])


def _comments(summaries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Return a comment for each data set that has no entry."""
    for name, summary in summaries.items():
        if summary["synthetic"]:
            yield f"% {name}: synthetic images in the format {summary['format']}; no image of a published data set.\n"
        elif summary["format"] == "brain_mets":
            yield f"% {name}: images in a layout of several collections; add the citation that yours asks for.\n"
        elif summary["format"] not in _OF_FORMAT:
            yield f"% {name}: your own images (format {summary['format']}); add their citation here.\n"


@cache
def _entries() -> dict[str, str]:
    """Return each entry of references.bib by its key."""
    text = files(__package__).joinpath("references.bib").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in re.finditer(r"^@\w+\{(\w+),\n(?:  .*\n)+\}\n", text, re.MULTILINE)}
