"""Facts of a run for a hospital's board: software, commit, code, origin of the data, and main parameters.

The page states no commit: it is part of the results that a commit records, so it cannot hold the name of that commit.
It states the version and the digest of the code instead, and the command that prints the commit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oncorobust.base import layout
from oncorobust.base.epsilons import epsilon_text
from oncorobust.report.tables.cell import TableColumn
from oncorobust.report.tables.common import shown_as
from oncorobust.report.tables.render import marked_title
from oncorobust.settings.attacks import Attacks
from oncorobust.settings.pipeline import Params
from oncorobust.settings.training import Harden

COMMIT_COMMAND = "git log -1 --format=%H -- dvc.lock"

_COMMIT = (
    "Not stated, because this page is one of the files that a commit records. The command prints the commit that "
    "recorded the results last:"
)
_NO_ORIGIN = (
    "not stated (report.columns.{key}.origin in params.yaml), and not taken from files: a copy changes their times, "
    "and de-identification removes or shifts the dates in image headers"
)
_GENERATED = "generated, so no scanner or patient has a date"
_CODE_FILE = f"{layout.CODE}/report.txt"


@dataclass(frozen=True)
class Fact:
    """A fact about the run. command: one that prints more, empty without one."""

    name: str
    text: str
    command: str = ""


@dataclass(frozen=True)
class Fingerprint:
    """The raw tree of a data set: MD5 of its raw_tree.csv, and the number and size of its files."""

    md5: str
    n_files: int
    n_bytes: int


def software_facts(version: str, *, code_digest: str, assessment: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    """Return version, commit and code. code_digest: MD5 of the file with the digests of stage report, empty without it.

    assessment: content of assessment.json; None for a run of the pipeline.
    """
    software = Fact("Software", f"oncorobust {version}")
    if assessment is not None:
        commit = Fact("Commit", "None: the assessment ran outside a repository.")
        return software, commit, Fact("Code", f"SHA-256 {assessment['code_sha256']} of the package’s files.")
    code = f"Digest not recorded, because {_CODE_FILE} is missing."
    if code_digest:
        code = f"MD5 {code_digest} of {_CODE_FILE}, which lists the digest of each file of code behind this page."
    return software, Fact("Commit", _COMMIT, COMMIT_COMMAND), Fact("Code", code)


@dataclass(frozen=True)
class DataLine:
    """A data set: what its user states of its origin and date, the fingerprint of its raw tree, and the hardening.

    raw: None where no fingerprint is recorded.
    """

    title: str
    origin: str
    raw: Fingerprint | None
    hardening: str


def data_lines(
    params: Params, columns: Sequence[TableColumn], fingerprints: Mapping[str, Fingerprint | None]
) -> tuple[DataLine, ...]:
    """Return a line for each data set. fingerprints: of the raw trees by data set."""
    return tuple(
        DataLine(
            marked_title(one),
            _GENERATED if one.synthetic else shown_as(one.key, params.report).origin or _NO_ORIGIN.format(key=one.key),
            fingerprints.get(one.key),
            _hardening(params.datasets[one.key].harden),
        )
        for one in columns
    )


def parameter_facts(params: Params) -> tuple[Fact, ...]:
    """Return seeds, threads and attacks, as params.yaml sets them."""
    return (
        Fact("Seed", f"{params.seed}; further training seeds: {', '.join(map(str, params.run.seeds)) or 'none'}"),
        Fact("Threads of each job", f"{params.run.threads}"),
        Fact("Attacks", "; ".join(_attacks(params.attacks))),
        Fact("Epsilon of Tables S5 and E", epsilon_text(params.report.adversarial_training_epsilon)),
    )


def _attacks(attacks: Attacks) -> Iterator[str]:
    yield f"protocols {', '.join(attacks.protocols)}"
    for name, one in (("BIM", attacks.bim), ("PGD", attacks.pgd)):
        yield f"{name} {one.max_iter} steps of {one.rel_eps_step:g} epsilon, random starts: {one.num_random_init}"
    if "strict" in attacks.protocols:
        strict = attacks.strict
        yield f"Auto-PGD {strict.apgd.max_iter} steps, FMN {strict.fmn.max_iter} steps"
        yield f"Square {strict.square.max_queries} queries"
        yield f"converged PGD {strict.converged.max_iter} steps of {strict.converged.rel_eps_step:g} epsilon"


def _hardening(harden: Harden | None) -> str:
    if harden is None:
        return "none"
    loss = str(type(harden.loss).__struct_config__.tag).replace("_", " ")
    return (
        f"loss {loss}, epsilon {epsilon_text(harden.epsilon)}, PGD {harden.max_iter} steps, at most {harden.epochs} "
        "epochs"
    )
