"""Read the size of a model's input in a process of its own, because reading a .keras file needs Keras.

    python -m oncorobust.pipeline.model_input_probe MODEL N_CLASSES

One line of JSON on standard output: the longer side in pixels, or null. Errors as of `run_time_probe`.
"""

import json
import os
import sys

from oncorobust.base.errors import InputError


def input_side(path: str, *, n_classes: int) -> int | None:
    """Return the longer side of the images that a model takes; None for any, and for .onnx. Raises InputError."""
    if path.endswith(".onnx"):
        return None
    if path.endswith(".pt2"):
        from oncorobust.models.torch_programs import program_size

        sides = program_size(path)
    else:
        from oncorobust.models.own import read_input_size

        sides = read_input_size(path, n_classes=n_classes)
    known = [side for side in sides if side is not None]
    return max(known, default=None)


def main(words: list[str]) -> int:
    """Print the side as JSON. words: file of the model, number of classes."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        side = input_side(words[0], n_classes=int(words[1]))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with answer:
        print(json.dumps(side), file=answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
