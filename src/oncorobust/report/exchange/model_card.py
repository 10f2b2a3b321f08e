"""Model cards in Markdown, with metadata in YAML as the Hugging Face Hub reads it.

The metadata hold every number of the card in a `model-index`, with its interval, its attack and its epsilon, so that
other programs can read them. A card states no time and no person. Source: Mitchell et al. 2019, doi
10.1145/3287560.3287596; huggingface.co/docs/hub/model-cards.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import CITATIONS, model_file, table_file
from oncorobust.report.exchange.card_facts import INTENDED_USE, CardFacts, limitations, model_sentences
from oncorobust.report.exchange.measured import Measured
from oncorobust.report.page.text import readable_unit_of
from oncorobust.report.tables.numbers import display_estimate, in_units
from oncorobust.report.tables.render import SYNTHETIC, escape
from oncorobust.report.tables.validity import Gate

_TYPES = {
    "Sensitivity": "recall",
    "Specificity": "specificity",
    "AUC": "roc_auc",
    "Share on which the smoothed model abstains": "abstention_rate",
}
"""Types of metrics as the Hub names them; all others are `accuracy`."""

_SPLITS = ("train", "validation", "test")


def model_card(facts: CardFacts) -> str:
    """Return the card of a model in Markdown."""
    metadata = yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True, width=1000)
    sections = (
        (f"# {_plain(facts.heading)}", _warnings(facts)),
        ("## Model", _model(facts)),
        ("## Intended use", [f"- {one}" for one in INTENDED_USE]),
        ("## Data", _data(facts)),
        ("## Robustness", _robustness(facts)),
        ("## Validity of the evaluation", _validity(facts.gate)),
        ("## Limitations", [f"- {one}" for one in limitations(facts)]),
        ("## Citation", [f"The paper, the data sets and the tools stand in `{CITATIONS}`."]),
    )
    return f"---\n{metadata}---\n\n" + "\n".join(
        f"{head}\n\n" + "".join(f"{one}\n" for one in body) for head, body in sections
    )


def _metadata(facts: CardFacts) -> dict[str, Any]:
    tags = [
        "medical-imaging",
        "adversarial-robustness",
        "oncorobust",
        *(["synthetic"] if facts.summary["synthetic"] else []),
    ]
    mark = f" ({SYNTHETIC})" if facts.summary["synthetic"] else ""
    results = {
        "task": {"type": "image-classification"},
        "dataset": {"type": facts.dataset, "name": f"{facts.title}{mark}", "split": "test"},
        "metrics": [_metric(one) for one in facts.numbers if one.cell.value is not None],
    }
    return {
        "license": "unknown",
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": tags,
        "model-index": [{"name": facts.heading, "results": [results]}],
    }


def _metric(one: Measured) -> dict[str, Any]:
    interval = one.cell.interval
    ends = {} if interval is None else {"ci_low": interval.low, "ci_high": interval.high, "ci_level": interval.level}
    return {
        "type": _TYPES.get(one.name, "accuracy"),
        "name": one.title,
        "value": one.cell.value,
        "args": {
            "conditions": one.conditions,
            "epsilon": one.epsilon,
            **ends,
            "n_images": one.cell.n_images,
            "n_patients": one.cell.n_patients,
        },
    }


def _warnings(facts: CardFacts) -> list[str]:
    found = [f"**{SYNTHETIC} images: generated, of no patient.**"] if facts.summary["synthetic"] else []
    found += [f"**{_plain(facts.mark)}.**"] if facts.mark else []
    return "\n".join(found and [" ".join(found)]).splitlines()


def _model(facts: CardFacts) -> Iterator[str]:
    yield from (f"- {_plain(one)}" for one in model_sentences(facts))
    yield f"- Parameters: {facts.training['parameters']:,}."
    yield f"- File: `{model_file(facts.dataset, facts.model)}`, MD5 `{facts.md5}`, SHA-256 `{facts.sha256}`."
    size, channels = facts.summary["size"], facts.summary["channels"]
    held = f"{channels} channel{'s' * (channels != 1)}"
    yield f"- Input: images of {size} x {size} pixels and {held}, values in [0, 1]. Output: logits."


def _data(facts: CardFacts) -> Iterator[str]:
    summary, classes = facts.summary, facts.summary["class_names"]
    low, high = summary["intensity_range"]
    yield f"Data set {_plain(facts.title)} (`{facts.dataset}`, format {summary['format']})."
    if facts.origin:
        yield f"Origin and date, as stated by whoever ran it: {_plain(facts.origin)}."
    yield f"{summary['n_images']} images, {summary['n_patients']} patients."
    yield f"Pixel value 0 is {low:g}, 1 is {high:g} ({summary['intensity_unit']})."
    yield ""
    yield from _table(
        ("Split", "Patients", *classes),
        (
            (split, summary["patients"].get(split, 0), *(summary["counts"][split][one] for one in classes))
            for split in _SPLITS
            if split in summary["counts"]
        ),
    )


def _robustness(facts: CardFacts) -> Iterator[str]:
    readable = readable_unit_of(facts.summary)
    rows = (
        (
            one.name,
            one.conditions,
            f"{epsilon_text(one.epsilon)} ({in_units(one.epsilon, readable)})" if one.epsilon else "",
            display_estimate(one.cell, one.unit),
            "" if one.cell.n_images is None else one.cell.n_images,
            "" if one.cell.n_patients is None else one.cell.n_patients,
        )
        for one in facts.numbers
    )
    yield "In brackets: 95 % confidence interval over patients. Shares in percent."
    yield "Epsilon: l_inf radius for pixel values in [0, 1]."
    yield ""
    yield from _table(("Measure", "Conditions", "Epsilon", "Value", "Images", "Patients"), rows)
    yield ""
    yield _CERTIFICATES_ALONE if facts.gate is None else _control(facts.numbers)
    yield from _positive(facts)


_CERTIFICATES_ALONE = (
    "No attack and no control of an attack was run on the model itself; the smoothed model was attacked."
)


def _control(numbers: Sequence[Measured]) -> str:
    if any(one.is_control for one in numbers):
        return "Control: random noise of the same size as the attack's change, without a search for a harmful one."
    return "Control: not done, because the threat model `noise` was not run."


def _positive(facts: CardFacts) -> Iterator[str]:
    """Yield which class sensitivity, specificity and AUC call positive, if the card shows them."""
    options = (one.cell.rows[0].options for one in facts.numbers if one.name == "Sensitivity")
    indices = {int(one["positive"]) for one in options}
    for index in sorted(indices):
        yield ""
        yield f"Positive class: {_plain(facts.summary['class_names'][index])}."


def _validity(gate: Gate | None) -> Iterator[str]:
    """Return the status of each check; what was found may name images, and stays in the table of the run."""
    if gate is None:
        yield "Not done: the checks are of attacks, and this model was not attacked."
        return
    yield from _table(("Check", "Status", "Expected"), ((one.name, one.status, one.expected) for one in gate.checks))
    yield ""
    yield f"What was found: `{table_file('validity')}` of the run."


def _table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    for cells in (heads, [":---"] * len(heads), *rows):
        yield f"| {' | '.join(str(one) if one == ':---' else _plain(str(one)) for one in cells)} |"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return escape(text).replace("[", "\\[").replace("`", "\\`")
