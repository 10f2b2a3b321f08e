"""Export a model of the pipeline with what its user must know, beside it as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from oncorobust.base import layout
from oncorobust.base.files import file_sha256, whole_outputs, write_json
from oncorobust.base.schema.version import read_results
from oncorobust.models.exported import write_exported
from oncorobust.models.exported_weights import write_weights
from oncorobust.models.vgg16 import load_classifier


def export_model(dataset: str, model: str, *, form: str, out: Path) -> dict[str, Any]:
    """Write a model of a data set to `out`, and what it takes and gives to `<out>.json`. Returns the content of that.

    form: `onnx`, `pt2`, or `safetensors` for the weights of a PyTorch network. Both files are put in place together,
    after the comparison. Raises InputError for a model that does not fit its data, or whose file gives other logits.
    """
    checkpoint, summary = layout.model_file(dataset, model), read_results(layout.summary_file(dataset))
    size, classes = summary["size"], summary["class_names"]
    with keras.device("cpu"), whole_outputs(out, out.with_name(f"{out.name}.json")) as (draft, about):
        network = load_classifier(checkpoint, image_shape=(size, size, 3), n_classes=len(classes))
        compared = write_weights(network, draft) if form == "safetensors" else write_exported(network, draft, form=form)
        content = _description(dataset, model, summary) | {"checkpoint_sha256": file_sha256(checkpoint)} | compared
        write_json(about, content)
    return content


def _description(dataset: str, model: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    size, (low, high), unit = summary["size"], summary["intensity_range"], summary["intensity_unit"]
    channels = "the grey image three times" if summary["channels"] == 1 else "red, green, blue"
    return {
        "dataset": dataset,
        "model": model,
        "synthetic": summary["synthetic"],
        "mark": "SYNTHETIC: trained on made-up images, not for any use on patients" if summary["synthetic"] else "",
        "classes": summary["class_names"],
        "image_size": size,
        "input": f"images (n, 3, {size}, {size}), float32 in [0, 1], for any n; channels: {channels}",
        "output": f"logits (n, {len(summary['class_names'])}), in the order of classes; softmax gives probabilities",
        "intensity_range": summary["intensity_range"],
        "intensity_unit": unit,
        "intensities": f"0 stands for {low:g} and 1 for {high:g} ({unit}); values outside are cut off",
        "checkpoint": layout.model_file(dataset, model),
    }
