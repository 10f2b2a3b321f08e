"""A bill of materials of a model: CycloneDX 1.6 (ECMA-424) with a model card, in JSON.

The serial number follows from the content, and there is no time in the file: the same model and the same numbers give
the same file. Source: cyclonedx.org/docs/1.6/json.
"""

import json
import uuid
from typing import Any

from oncorobust.base.epsilons import epsilon_text
from oncorobust.base.layout import model_file
from oncorobust.report.exchange.card_facts import INTENDED_USE, CardFacts, limitations, model_sentences
from oncorobust.report.exchange.measured import Measured

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "oncorobust.ml-bom")
_DATA_REF, _FRAMEWORK_REF = "data-set", "framework"


def ml_bom(facts: CardFacts) -> dict[str, Any]:
    """Return the bill of materials of a model."""
    model = f"{facts.dataset}-{facts.model}"
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "oncorobust"}]},
            "component": {
                "type": "machine-learning-model",
                "bom-ref": model,
                "name": model,
                "description": facts.heading,
                "hashes": [{"alg": "MD5", "content": facts.md5}, {"alg": "SHA-256", "content": facts.sha256}],
                "modelCard": _card(facts),
                "properties": _properties(facts),
            },
        },
        "components": [
            {"type": "data", "bom-ref": _DATA_REF, "name": facts.title, "data": [_data(facts)]},
            {"type": "framework", "bom-ref": _FRAMEWORK_REF, "name": facts.training["backend"]},
        ],
        "dependencies": [{"ref": model, "dependsOn": [_DATA_REF, _FRAMEWORK_REF]}],
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return {**content, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, text)}"}


def _properties(facts: CardFacts) -> list[dict[str, str]]:
    return [
        {"name": "oncorobust:file", "value": model_file(facts.dataset, facts.model)},
        {"name": "oncorobust:parameters", "value": str(facts.training["parameters"])},
        {"name": "oncorobust:synthetic", "value": str(facts.summary["synthetic"]).lower()},
    ]


def _data(facts: CardFacts) -> dict[str, Any]:
    summary = facts.summary
    values = {
        "format": summary["format"],
        "images": summary["n_images"],
        "patients": summary["n_patients"],
        "synthetic": str(summary["synthetic"]).lower(),
        **{f"images, {split}": sum(counts.values()) for split, counts in summary["counts"].items()},
    }
    properties = [{"name": name, "value": str(value)} for name, value in values.items()]
    return {"type": "dataset", "name": facts.title, "contents": {"properties": properties}}


def _card(facts: CardFacts) -> dict[str, Any]:
    size, channels = facts.summary["size"], facts.summary["channels"]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "image classification",
            "modelArchitecture": " ".join(model_sentences(facts)),
            "datasets": [{"ref": _DATA_REF}],
            "inputs": [{"format": f"image, {size} x {size} x {channels}, float32 in [0, 1]"}],
            "outputs": [{"format": f"logits of {', '.join(facts.summary['class_names'])}"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(one) for one in facts.numbers if one.cell.value is not None]
        },
        "considerations": {
            "users": ["researchers in medical imaging", "reviewers of a study"],
            "useCases": list(INTENDED_USE),
            "technicalLimitations": limitations(facts),
        },
    }


def _metric(one: Measured) -> dict[str, Any]:
    epsilon = f", epsilon {epsilon_text(one.epsilon)}" if one.epsilon else ""
    of = [f"{one.cell.n_images} images", f"{one.cell.n_patients} patients"]
    metric: dict[str, Any] = {
        "type": one.name,
        "value": repr(one.cell.value),
        "slice": f"test split, {one.conditions}{epsilon}; "
        + ", ".join(part for part in of if not part.startswith("None")),
    }
    interval = one.cell.interval
    if interval is not None and None not in (interval.low, interval.high):
        metric["confidenceInterval"] = {"lowerBound": repr(interval.low), "upperBound": repr(interval.high)}
    return metric
