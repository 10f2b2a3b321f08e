"""Estimate of the seconds that each stage of a data set takes, from the measured pace of its model and from counts.

    train     epochs x (training images x update + validation images x forward pass)
    harden    epochs x (training images x (update + share x max_iter x gradient) + robust validation)
    attack    test images x (paper's gradients + strict search + threat models) x gradient
    rank      (test + validation images) x half of the grid x PGD x gradient, and passes for the scores
    rescan    test images x (raw slices + severities x (change + 3 forward passes) + FMN x gradient)

Assumed: the strict search takes the steps of its attacks and _NARROWING gradients more; the paper's protocol attacks a
share of _WRONG images twice, which the model misclassifies; threat models take a share of _OPEN of their steps, because
images that flip take no more; _POSSIBLE changes of the acquisition apply. Each process that uses the model starts and
compiles anew. Jobs run as soon as those they need have ended, `cores // threads` at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from oncorobust.base import layout
from oncorobust.settings.attacks import Attacks, IterativeAttack
from oncorobust.settings.pipeline import Dataset
from oncorobust.settings.training import Harden, Loss, Mixture, Noise, Unlabelled

_NARROWING = 12
"""Gradients per image beyond the steps of the attacks: chosen to fit six models of the demo, which took 10 to 17."""
_WRONG = 0.2
"""Share of misclassified images, which are attacked for two labels: assumed."""
_OPEN = 0.3
"""Share of the steps of threat models that images not flipped before take: assumed."""
_EVALUATED = {"harden": 4, "attack": 8, "rank": 3, "rescan": 4, "train": 2}
"""Functions that a stage compiles, for images of one size."""
_QUICK = {"validate": 4.0, "tabulate": 5.0, "plot": 30.0, "exchange": 15.0, "report": 4.0}
"""Seconds of the stages that use no model: rounded from one run of the demo on two cores."""
_POSSIBLE, _SEVERITIES, _SLICES = 10, 5, 5
"""Changes that apply to an image, severities of each, and slices that are read for it: assumed."""
_CHANGE = 0.05
"""Seconds of one change of one slice, and its conversion: assumed."""
_EPOCH = 0.5
"""Seconds in which an epoch is judged and saved, beyond its images: between 0 and 1 s in runs at 32 pixels."""
_READER = 3.0
"""Seconds in which stage `preprocess` starts."""

Job = tuple[str, str]
"""Stage, and model or ""."""


@dataclass(frozen=True)
class Pace:
    """Seconds: start of a process until the model is built, compilation of a function, passes per image. peak_mb: MB.

    forward: of logits alone. gradient: with respect to the image. train: of an update; 0 without training.
    """

    start: float
    compile: float
    forward: float
    gradient: float
    train: float
    peak_mb: float


@dataclass(frozen=True)
class Counts:
    """Numbers of classes and images: of the whole tree, and of each split after balancing.

    read: seconds to read an image of the tree.
    """

    classes: int
    raw: int
    train: int
    validation: int
    test: int
    read: float


def stage_seconds(dataset: Dataset, attacks: Attacks, counts: Counts, pace: Pace) -> dict[Job, float]:
    """Return the expected seconds of each job of a data set and of the stages for all, in the order of the graph."""
    grouped = dataset.preprocess.duplicates == "group"
    passes = 1 + grouped + (dataset.preprocess.intensity_range == "training")
    found: dict[Job, float] = {("preprocess", ""): _READER + passes * counts.raw * counts.read}
    found["train", ""] = _begin("train", pace) + _trained(dataset, counts, pace)
    if dataset.harden is not None:
        found["harden", ""] = _begin("harden", pace) + _hardened(dataset.harden, counts, pace)
    for model in dataset.models:
        found["attack", model] = _begin("attack", pace) + _attacked(dataset, attacks, counts, pace)
        found["rank", model] = _begin("rank", pace) + _ranked(dataset, attacks, counts, pace)
        if dataset.acquisition is not None:
            found["rescan", model] = _begin("rescan", pace) + _rescanned(dataset, counts, pace)
        found["validate", model] = _QUICK["validate"]
    return found | {(stage, ""): _QUICK[stage] for stage in ("tabulate", "plot", "exchange", "report")}


def total_seconds(jobs: Mapping[Job, float], *, at_once: int) -> float:
    """Return the seconds until the last job ends, if `at_once` jobs run at a time. jobs: of one data set, in order."""
    ended: dict[Job, float] = {}
    free = [0.0] * max(1, at_once)
    for job, seconds in jobs.items():
        ready = max((ended[one] for one in _needed(job, jobs)), default=0.0)
        worker = min(range(len(free)), key=lambda one: max(free[one], ready))
        ended[job] = free[worker] = max(free[worker], ready) + seconds
    return max(ended.values(), default=0.0)


def by_stage(jobs: Mapping[Job, float]) -> dict[str, float]:
    """Return the seconds of each stage, those of all models together."""
    found: dict[str, float] = {}
    for (stage, _), seconds in jobs.items():
        found[stage] = found.get(stage, 0.0) + seconds
    return found


def _needed(job: Job, jobs: Mapping[Job, float]) -> list[Job]:
    stage, model = job
    trained = ("harden" if model == layout.ADVERSARIAL else "train", "")
    before: dict[str, list[Job]] = {
        "train": [("preprocess", "")],
        "harden": [("train", "")],
        "attack": [trained],
        "rank": [("attack", model)],
        "rescan": [trained],
        "validate": [("rank", model)],
    }
    if stage in before or stage == "preprocess":
        return before.get(stage, [])
    last = {"tabulate": "validate", "plot": "validate", "exchange": "tabulate", "report": "exchange"}[stage]
    return [one for one in jobs if one[0] in (last, "validate", "rescan")]


def _begin(stage: str, pace: Pace) -> float:
    return pace.start + _EVALUATED[stage] * pace.compile


def _trained(dataset: Dataset, counts: Counts, pace: Pace) -> float:
    images = counts.train * (1 + dataset.augment.copies)
    return dataset.train.epochs * (_EPOCH + images * pace.train + counts.validation * pace.forward)


def _hardened(harden: Harden, counts: Counts, pace: Pace) -> float:
    steps = _attacked_share(harden.loss) * harden.max_iter
    judged = (1 + harden.validation_max_iter) * counts.validation * pace.gradient
    return harden.epochs * (_EPOCH + counts.train * (pace.train + steps * pace.gradient) + judged)


def _attacked_share(loss: Loss) -> float:
    """Return how many images a batch attacks for each of its labelled ones."""
    match loss:
        case Mixture(adversarial_share=share):
            return share
        case Unlabelled(adversarial_share=share, unlabelled_ratio=ratio):
            return share + ratio
        case Noise():
            return 0.0
        case _:
            return 1.0


def _attacked(dataset: Dataset, attacks: Attacks, counts: Counts, pace: Pace) -> float:
    n = min(counts.test, dataset.attack.max_images or counts.test)
    gradients, forwards = 0.0, 1.0
    if "paper" in attacks.protocols:
        epsilons = len({*dataset.attack.epsilons, *attacks.table_epsilons})
        gradients += epsilons * (1 + _steps(attacks.bim) + _steps(attacks.pgd)) * (1 + _WRONG)
        forwards += epsilons * 6
    if "strict" in attacks.protocols:
        strict = attacks.strict
        starts = 1 + strict.apgd.num_random_init
        targets = min(strict.apgd.n_targets, counts.classes - 1) if counts.classes > 2 else 0
        steps = 1 + _steps(attacks.bim) + _steps(attacks.pgd) + (starts + targets) * strict.apgd.max_iter
        gradients += _NARROWING + steps + strict.fmn.max_iter + strict.converged.max_iter
        forwards += strict.square.max_queries
        threats = len(attacks.threats) * len(dataset.attack.threat_epsilons)
        gradients += _OPEN * threats * attacks.pgd.max_iter * (2 + attacks.pgd.num_random_init)
    return n * (gradients * pace.gradient + forwards * pace.forward)


def _ranked(dataset: Dataset, attacks: Attacks, counts: Counts, pace: Pace) -> float:
    rank, n = dataset.rank, min(counts.test, dataset.attack.max_images or counts.test)
    validation = min(counts.validation, rank.validation_images)
    searched = max(1, rank.num_random_init) * attacks.pgd.max_iter * len(rank.epsilons) / 2
    scored = 2 * rank.score_passes * pace.forward
    return (n + validation) * (searched * pace.gradient + scored)


def _rescanned(dataset: Dataset, counts: Counts, pace: Pace) -> float:
    acquisition = dataset.acquisition
    if acquisition is None:
        return 0.0
    wanted = (counts.test, dataset.attack.max_images, acquisition.max_images)
    severities = _SEVERITIES * (_POSSIBLE if isinstance(acquisition.changes, str) else len(acquisition.changes))
    changed = severities * (_CHANGE + 3 * pace.forward) + acquisition.max_iter * pace.gradient
    return min(one for one in wanted if one is not None) * (_SLICES * counts.read + changed)


def _steps(attack: IterativeAttack) -> int:
    return attack.max_iter * max(1, attack.num_random_init)
