"""Limits of what building a PyTorch network by name may take, for arguments that come from a file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import Any

from oncorobust.base.errors import InputError

_MOST_NUMBERS = 2**30
"""In all tensors that are created; a ViT-Huge has 0.63 billion weights, a ViT-Giant 1.01."""

_MOST_OPERATIONS = 50_000
"""Of tensors; EfficientNet-B7 and DenseNet264 take below 4000."""

_LARGEST_INTEGER = 100_000
"""Among the arguments, which may be numbers of layers, channels or pixels."""


@contextmanager
def limited_building(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Refuse, inside the block, to build a network of more tensors than any real one has. Raises InputError."""
    for name, value in arguments.items():
        _check_integers(name, value)
    with _mode()():
        yield


def _check_integers(name: str, value: Any) -> None:
    for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _check_integers(name, one)
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise InputError(f"argument {name!r}: expected at most {_LARGEST_INTEGER}, got {value:.3g}")


@cache
def _mode() -> Any:
    """Return the class that sees each operation before it runs; it needs PyTorch to be defined."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Limited(TorchDispatchMode):
        """Count numbers and operations."""

        def __init__(self) -> None:
            super().__init__()
            self.numbers = self.operations = 0

        def __torch_dispatch__(self, operator: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
            """Run an operation, unless it would go beyond a limit."""
            del types
            self.operations += 1
            self.numbers += _created(arguments)
            if self.numbers > _MOST_NUMBERS or self.operations > _MOST_OPERATIONS:
                raise InputError(
                    f"expected a network of at most {_MOST_NUMBERS} weights and {_MOST_OPERATIONS} steps to build it, "
                    "got arguments that ask for more"
                )
            return operator(*arguments, **(options or {}))

    return Limited


def _created(arguments: Any) -> int:
    """Return how many numbers an operation creates whose first argument is a size, as that of torch.empty is."""
    size = arguments[0] if arguments else None
    is_size = isinstance(size, list | tuple) and all(type(one) is int for one in size)
    return prod(size) if is_size and size else 0
