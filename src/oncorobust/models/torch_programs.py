"""Read a program that torch.export.save wrote (.pt2) into a PyTorch module, without running anything in the file.

PyTorch's own reader unpickles entries of the file, and turns texts in it into Python. So the archive is opened here
first, its entries and each field of the program are checked, and PyTorch reads an archive that is written anew from
what was accepted (`torch_program_archive`, `torch_program_guard`, `torch_program_graph`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oncorobust.backend.torch_classifier import need_torch_backend
from oncorobust.backend.torch_programs import check_format, load_program
from oncorobust.base.errors import InputError
from oncorobust.models.torch_program_archive import ProgramArchive
from oncorobust.models.torch_program_guard import HOW_TO_EXPORT, checked_description

_LARGEST = 4 * 2**30  # bytes; a ViT-Huge takes 2.5 GiB
_LONGEST_REASON = 240  # characters


def program_bytes(path: str | Path) -> bytes:
    """Return the content of a .pt2 file, for `read_program`.

    Raises InputError naming the file, for one that is missing, above 4 GiB, cut off, or of another kind, such as a
    pickle or a TorchScript archive.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a program of torch.export (.pt2), got no such file: {HOW_TO_EXPORT}")
    if (size := path.stat().st_size) > _LARGEST:
        raise InputError(f"{path}: expected at most {_LARGEST >> 30} GiB, got {size / 2**30:.1f} GiB")
    content = path.read_bytes()
    with _naming(str(path)):
        ProgramArchive(content)
    return content


def program_size(path: str | Path) -> tuple[int | None, int | None]:
    """Return height and width of the images that a .pt2 file takes, None for any. Unit: pixels. It needs no PyTorch.

    Raises InputError as `read_program` does for the description of the program.
    """
    with _naming(str(path)):
        description = checked_description(ProgramArchive(Path(path).read_bytes()).description())
    return description.image_shape[1], description.image_shape[2]


def read_program(content: bytes, *, where: str) -> Any:
    """Return the program in a .pt2 file as a torch.nn.Module on the CPU, from images (n, c, h, w) to its outputs.

    content: from `program_bytes`. where: its file, for messages. The module stays in evaluation mode, as the program
    was exported: `train` and `eval` change nothing. A softmax, log-softmax or sigmoid at its end is cut off, exactly;
    the attribute `cut_off` names it, and is empty if there was none. Weights and buffers have the names of the exported
    model. Weights of half or double precision become float32, with a warning. Images of other sizes than exported ones
    raise ValueError.

    Raises InputError unless Keras runs on PyTorch, because TensorFlow and torch.export crash together in one process.
    Raises InputError naming the file for anything in it that PyTorch could run, for operators that are not known, for a
    program with a fixed batch size, of several inputs or outputs, in training mode or in half precision, and for
    weights that are missing or do not fit.
    """
    need_torch_backend()
    with _naming(where):
        archive = ProgramArchive(content)
        program = checked_description(archive.description())
        check_format(program.version, program.torch_version)
        rewritten = archive.rewritten(program.text, program.weights)
        constants = [name for name, weight in program.weights.items() if not weight.is_weight]
        return load_program(rewritten, image_shape=program.image_shape, batch=program.batch, constants=constants)


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Let errors inside the block name a file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except Exception as error:
        # A file in a form that torch.export.save does not write raises KeyError, TypeError, RecursionError and more.
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise InputError(f"{where}: expected a program as torch.export.save writes it, got {reason}") from error
