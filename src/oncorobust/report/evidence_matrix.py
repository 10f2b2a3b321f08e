"""The evidence matrix: for topics of standards and guidelines, what of this run speaks to them, or why nothing does.

Each line either names a table, figure or section of the page, with the command that traces a cell where there is one,
or says "not done, because". Which lines are filled depends on the run: its protocols, certificates and policies. A
line states what was measured; it is no claim to meet a standard.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from oncorobust.report import evidence_standards as of
from oncorobust.report.evidence_standards import Standard
from oncorobust.report.page.board import Board
from oncorobust.report.shown_attacks import BASELINE
from oncorobust.report.tables.cell import Table
from oncorobust.report.verdict_text import PolicyView


@dataclass(frozen=True)
class Run:
    """What decides which lines are filled.

    tables: by name. policies: with their verdicts. board: for its subgroups. traced: whether `oncorobust trace` can
    find the cells, which needs a repository.
    """

    tables: Mapping[str, Table]
    policies: Sequence[PolicyView]
    board: Board
    traced: bool


@dataclass(frozen=True)
class Answer:
    """What of a run speaks to a topic. anchor: id on the page, empty where nothing was done. trace: a command."""

    text: str
    anchor: str = ""
    trace: str = ""

    @property
    def is_done(self) -> bool:
        """Return whether the run has something on the topic."""
        return bool(self.anchor)


@dataclass(frozen=True)
class EvidenceLine:
    """A line of the matrix: a topic in our own words, and the run's answer."""

    topic: str
    answer: Answer


@dataclass(frozen=True)
class Evidence:
    """The lines of the matrix on one standard."""

    standard: Standard
    lines: tuple[EvidenceLine, ...]


def evidence_matrix(run: Run) -> tuple[Evidence, ...]:
    """Return the matrix of a run, by standard."""
    return tuple(
        Evidence(standard, tuple(EvidenceLine(topic, answer(run)) for _, topic, answer in lines))
        for standard, lines in groupby(_LINES, key=lambda one: one[0])
    )


def _not_done(reason: str) -> Callable[[Run], Answer]:
    return lambda _: Answer(f"Not done, because {reason}.")


def _in_table(name: str, what: str, *, because: str, field: str = "") -> Callable[[Run], Answer]:
    """Return the answer that a table gives, or why it gives none. field: how the name of one of its numbers begins."""

    def answer(run: Run) -> Answer:
        cells = [one for one in run.tables[name].cells if one.field.startswith(field)]
        if not cells:
            return Answer(f"Not done, because {because}.")
        cell = next((one for one in cells if one.row != BASELINE), cells[0])
        column = "" if run.tables[name].data_sets == "rows" else f" --column {cell.column}"
        trace = f'oncorobust trace "{name}" --row {cell.row}{column}' if run.traced else ""
        return Answer(f"{name}: {what}.", name.lower().replace(" ", "-"), trace)

    return answer


def _in_section(anchor: str, what: str) -> Callable[[Run], Answer]:
    return lambda _: Answer(f"{what}.", anchor)


def _by_policies(what: str, *, because: str) -> Callable[[Run], Answer]:
    """Return the answer that verdicts on policies give."""

    def answer(run: Run) -> Answer:
        if not run.policies:
            return Answer(f"Not done, because {because}.")
        told = "; ".join(f"{one.name}: {one.outcome}" for one in run.policies)
        return Answer(f"{what} ({told}).", "acceptance")

    return answer


def _subgroups(run: Run) -> Answer:
    if not run.board.subgroups:
        return Answer("Not done, because no policy names a subgroup.")
    groups = dict.fromkeys(one.group for one in run.board.subgroups)
    return Answer(f"Verdicts on {len(groups)} subgroups.", "subgroups")


_NO_POLICY = "params.yaml names no policy (acceptance)"
_NO_STRICT = "the run has no strict protocol (attacks.protocols)"
_NO_HARDENING = "the run has no hardened model to compare with"
_ALWAYS = "the table has no cells"
_ATTACKED = _in_table("Table 1", "accuracy without attack and under attacks of increasing epsilon", because=_ALWAYS)
_MEASURED = _in_table(
    "Table E", "sensitivity, specificity, AUC and calibration, each with its 95 % interval", because=_ALWAYS
)
_CHAIN = _in_table(
    "Table T", "accuracy under changes that an imaging chain allows", because="the run has no threat models"
)

_LINES: tuple[tuple[Standard, str, Callable[[Run], Answer]], ...] = (
    (of.OVERVIEW, "Measures of performance on test data, with statistics", _MEASURED),
    (of.OVERVIEW, "Tests with perturbed inputs", _ATTACKED),
    (
        of.FORMAL,
        "Proof that an answer stays the same in a region around an input",
        _in_table(
            "Table C",
            "certificates of the smoothed model, each right with a stated probability; no exact verification",
            because="certify is null for all data sets",
            field="certified",
        ),
    ),
    (of.STATISTICAL, "Uncertainty of each measure", _in_section("reviewer", "Intervals by patient and their methods")),
    (
        of.STATISTICAL,
        "Loss of performance under perturbation, compared between models",
        _in_table("Table S5", "change of accuracy by hardening, with tests", because=_NO_HARDENING, field="difference"),
    ),
    (
        of.STATISTICAL,
        "Distance from each input to the nearest changed answer",
        _in_table("Table M", "minimal epsilon of each image as a survival analysis", because=_NO_STRICT),
    ),
    (of.CLAIM, "Performance with measures of uncertainty", _MEASURED),
    (of.CLAIM, "Robustness or sensitivity analysis", _ATTACKED),
    (of.CLAIM, "Analysis of failures", _in_section("radiologist", "Confusion matrices, and images that are wrong")),
    (
        of.CLAIM,
        "Sample size planned beforehand",
        _by_policies(
            "Each undecided verdict states how many patients would decide it; no size was planned beforehand",
            because="no size was planned: the test images, or the number set in max_images, were taken",
        ),
    ),
    (of.FUTURE_AI, "Robustness: sources of variation named and tested", _CHAIN),
    (
        of.FUTURE_AI,
        "Robustness: variation between scanners, sites and protocols",
        _in_table(
            "Table A",
            "accuracy under simulated changes of scanner, protocol and archive; the images of each data set have one "
            "source",
            because="acquisition is null for all data sets, and the images of each have one source",
            field="accuracy",
        ),
    ),
    (of.FUTURE_AI, "Fairness: performance in subgroups", _subgroups),
    (
        of.FUTURE_AI,
        "Traceability: how results were made",
        _in_section("board", "Version, code, data and parameters; each cell of a table has a trace"),
    ),
    (of.FDA, "Model evasion by changed inputs", _ATTACKED),
    (of.FDA, "Performance in subgroups", _subgroups),
    (of.FDA, "Monitoring of performance after deployment", _not_done("the page is about one run on stored images")),
    (of.AAMI, "Inputs made to deceive the model", _ATTACKED),
    (
        of.AAMI,
        "Whether the attacks of an evaluation are strong enough to be believed",
        _in_section("validity", "Checks of the validity gate on each model"),
    ),
    (of.AAMI, "Manipulated training data", _not_done("attacks change the images at use, not the training data")),
    (of.AI_ACT, "Accuracy stated with its measures", _MEASURED),
    (of.AI_ACT, "Adversarial examples", _ATTACKED),
    (
        of.AI_ACT,
        "Measures against adversarial examples",
        _in_table("Table S5", "what hardening gains and loses", because=_NO_HARDENING, field="difference"),
    ),
    (of.AI_ACT, "Data and model poisoning", _not_done("attacks change the images at use alone")),
    (
        of.ARCH_AI,
        "Acceptance test on local images",
        _by_policies("Verdicts on requirements that a policy states", because=_NO_POLICY),
    ),
    (of.ARCH_AI, "Monitoring over time", _not_done("the page is about one run; dvc metrics diff compares two")),
)
"""Standard, topic, and the answer of a run, in the order of the matrix."""
