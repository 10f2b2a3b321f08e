"""What is known about a model, and the sentences that its card and its bill of materials share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oncorobust.base.layout import ADVERSARIAL, CLEAN, NOISE
from oncorobust.report.exchange.measured import Measured
from oncorobust.report.model_text import hardening_of, model_sentence, noise_sentences, training_text
from oncorobust.report.tables.render import SYNTHETIC
from oncorobust.report.tables.validity import Gate, watermark

INTENDED_USE = (
    "Research: to measure how stable the classifier is under small pixel changes, and to compare it with other models.",
    "Not for diagnosis, triage or any decision about a patient; it is no medical device and was not tested as one.",
)

_KINDS = {CLEAN: "clean model", ADVERSARIAL: "hardened model", NOISE: "noise-trained model"}

_NOT_ATTACKED = (
    "The model itself was not attacked: no accuracy under attack, no minimal epsilon, no ranking of images, no score "
    "of certainty and no check of the validity gate is known of it."
)
_CERTIFIED = (
    "A certificate holds for the smoothed model, which answers as this model does most often under Gaussian noise, and "
    "not for this model itself.",
    "A certificate covers changes within its epsilon alone: no rotation, other scanner or other size of a change.",
)


@dataclass(frozen=True)
class CardFacts:
    """What is known about a model. origin: of the images, as params.yaml states it, or empty. trainings: training.json
    by model of the data set. gate: None for a model that is not attacked. md5, sha256: of its file."""

    dataset: str
    title: str
    origin: str
    model: str
    summary: Mapping[str, Any]
    trainings: Mapping[str, Mapping[str, Any]]
    gate: Gate | None
    numbers: tuple[Measured, ...]
    md5: str
    sha256: str

    @property
    def heading(self) -> str:
        """Return the data set's title and what the model is."""
        return f"{self.title}, {_KINDS[self.model]}"

    @property
    def mark(self) -> str:
        """Return the mark of red checks, empty where none is red."""
        return watermark([] if self.gate is None else [self.gate])

    @property
    def training(self) -> Mapping[str, Any]:
        """Return training.json of the model."""
        return self.trainings[self.model]


def model_sentences(facts: CardFacts) -> list[str]:
    """Return what the model is and how it was trained."""
    clean = facts.trainings[CLEAN]
    hardened = [f"Hardened by {hardening_of(facts.trainings)}."] if facts.model == ADVERSARIAL else []
    under_noise = noise_sentences({NOISE: facts.training}) if facts.model == NOISE else []
    return [model_sentence(clean), *hardened, *under_noise, training_text(facts.training).sentences]


def limitations(facts: CardFacts) -> list[str]:
    """Return what limits the use of the numbers, in plain sentences."""
    found = [f"{SYNTHETIC}: the images were generated and show no patient."] if facts.summary["synthetic"] else []
    found += [warning] if (warning := training_text(facts.training).warning) else []
    found += [facts.mark] if facts.mark else []
    attacks = "Accuracy under attack is that under the attacks that were run; another attack may lower it, a "
    certified = any(one.cell.rows[0].statistic == "certified_accuracy" for one in facts.numbers)
    return [
        *found,
        f"The numbers are of {_tested(facts)} of one data set; other scanners and sites were not tested."
        if facts.numbers
        else "No number of this model was measured.",
        _NOT_ATTACKED if facts.gate is None else f"{attacks}certificate cannot be lowered.",
        *(_CERTIFIED if certified else ()),
    ]


def _tested(facts: CardFacts) -> str:
    """Return how many test images and patients the numbers are of, which are often fewer than the test split holds."""
    summary = facts.summary
    of = {"images": sum(summary["counts"].get("test", {}).values()), "patients": summary["patients"].get("test", 0)}
    used = {
        "images": max((one.cell.n_images or 0 for one in facts.numbers), default=0),
        "patients": max((one.cell.n_patients or 0 for one in facts.numbers), default=0),
    }
    return " and ".join(f"{used[kind]} of the {of[kind]} test {kind}" for kind in of)
