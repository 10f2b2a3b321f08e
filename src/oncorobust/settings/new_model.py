"""The model's part of a new data set's block, for a finished model that a person brings."""

from dataclasses import dataclass, replace
from pathlib import PurePath

from oncorobust.base.errors import InputError
from oncorobust.settings.new_dataset_text import flow

SOURCES = {".keras": "path", ".pt2": "torch_export", ".onnx": "onnx"}
"""`model.source` by the ending of a model's file."""
_PICKLES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


@dataclass(frozen=True)
class NewModel:
    """A finished model. text: lines of the block. told: for a person. size: side of its input; None if not known."""

    text: str
    told: str
    size: int | None = None

    def with_size(self, size: int | None) -> "NewModel":
        """Return the same model with the side of its input."""
        return replace(self, size=size)


def source_of(name: str) -> str:
    """Return the `model.source` of a file by its name. Raises InputError for other files."""
    ending = PurePath(name).suffix.lower()
    if ending in _PICKLES:
        raise InputError(
            f"--model: expected a .keras, .pt2 or .onnx file, got {name}, which can run code when it is read: save the "
            "network as .pt2 with torch.export.save, where you trust it"
        )
    if ending not in SOURCES:
        raise InputError(f"--model: expected a .keras, .pt2 or .onnx file, got {name}")
    return SOURCES[ending]


def new_model(
    path: str,
    *,
    input_range: tuple[float, float] | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    channels: str,
) -> NewModel:
    """Return the model's part of a block. path: of the model, relative to the repository.

    Raises InputError naming the option that says what the model's training did to its images.
    """
    source = source_of(path)
    if source == "path":
        if input_range is None:
            raise InputError(
                f"--input-range: expected the values of {path}'s input that stand for black and white, got none "
                "(0 1 if its training divided grey levels by 255, 0 255 if it took them as they are)"
            )
        text = f"  model: {{source: path, path: {flow(path)}, input_range: {flow(input_range)}, fine_tune: false}}\n"
        return NewModel(text, f"{path} with inputs from {input_range[0]:g} to {input_range[1]:g}")
    for option, values in (("--mean", mean), ("--std", std)):
        if values is None:
            raise InputError(
                f"{option}: expected what the training of {path} did to its images, one number or one per channel, "
                "got none (0 and 1 for nothing)"
            )
    stated = f"mean: {flow(mean)}, std: {flow(std)}, range: {flow(input_range or (0.0, 1.0))}, channels: {channels}"
    text = f"  model:\n    source: {source}\n    path: {flow(path)}\n    fine_tune: false\n"
    return NewModel(f"{text}    preprocessing: {{{stated}}}\n", f"{path}, {channels}")
