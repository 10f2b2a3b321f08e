"""Instability of image classifiers in oncology: measure it with attacks, repair it by adversarial training.

`__init__.pyi` lists the public names and the module of each; a module is imported when one of its names is first used,
so that `import oncorobust` loads no deep-learning framework. Images are float32 in [0, 1], models give logits, epsilon
is the l_inf radius in [0, 1] units.

The rooms, in the order in which they may import one another (a room imports only rooms further down):

    cli          the command line `oncorobust`
    trace        from a table cell back to its inputs
    pipeline     what makes a script a stage of Snakemake and DVC
    report       tables, figures and the page
    evaluation   both protocols, threat models, sensitivity       training   recipes of clean and adversarial training
    certificates guarantees: randomized smoothing, interval bounds
    attacks      the engine of l_inf attacks, the search for the minimal epsilon, ART's attacks
    models       VGG16, Keras applications, models of your own, model files
    backend      the only room that knows TensorFlow, PyTorch or JAX
    acquire      raw trees, downloaded or made                    data       images of a data set, split by patient
    formats      readers of raw trees
    settings     params.yaml as typed objects
    base         arrays, files, seeds, units, errors
"""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def _homes() -> dict[str, str]:
    """Return the module of each public name, as `__init__.pyi` imports it."""
    import ast
    from pathlib import Path

    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = (node for node in stub.body if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("oncorobust")
    if name == "__all__":
        return sorted(_homes())
    if name.startswith("_") or name not in _homes():
        raise AttributeError(f"module 'oncorobust' has no attribute {name!r}")
    return getattr(import_module(_homes()[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_homes(), "__all__", "__version__"})
