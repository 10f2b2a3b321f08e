"""Install the packages that are missing beside PyTorch, into a folder that later parts import from.

Only the named packages are installed, without what they depend on, so that nothing replaces a package of the machine.
Wheels for a machine without an index: `pip download --no-deps --only-binary=:all: --dest FOLDER NAME ...`, with
`--python-version` and `--platform` of that machine.
"""

import argparse
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from part import Notes

NEEDED = {
    "keras": "keras>=3.15,<4",
    "absl": "absl-py",
    "rich": "rich",
    "markdown_it": "markdown-it-py",
    "mdurl": "mdurl",
    "pygments": "pygments",
    "namex": "namex",
    "optree": "optree",
    "ml_dtypes": "ml-dtypes",
    "h5py": "h5py",
    "art": "adversarial-robustness-toolbox>=1.20,<2",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "joblib": "joblib",
    "threadpoolctl": "threadpoolctl",
    "narwhals": "narwhals",
    "six": "six",
    "tqdm": "tqdm",
    "packaging": "packaging",
    "msgspec": "msgspec>=0.20,<1",
    "jaxtyping": "jaxtyping>=0.3,<1",
    "wadler_lindig": "wadler-lindig",
    "numpy": "numpy>=2.2,<3",
    "pandas": "pandas>=3,<4",
    "dateutil": "python-dateutil",
    "yaml": "pyyaml",
}
"""Module and requirement of what the engine imports."""
PEERS = {
    "foolbox": "foolbox==3.3.4",
    "eagerpy": "eagerpy==0.30.0",
    "git": "gitpython",
    "gitdb": "gitdb",
    "smmap": "smmap",
    "requests": "requests",
    "torchattacks": "torchattacks==3.5.1",
    "torchvision": "torchvision",
}
"""Of the peers, which are left out where they cannot be imported."""
TORCH = ("torch", "torchvision")
"""Never installed: they must fit the machine's CUDA."""


def measure(options: argparse.Namespace, notes: "Notes") -> None:
    """Install what is missing, and note the versions and what could not be had."""
    notes.put(python=platform.python_version(), installed=[], still_missing=missing())
    target = options.folder / "packages"
    source = ["--no-index", "--find-links", str(options.wheels)] if options.wheels else []
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), *source]
    wanted = [one for module, one in (NEEDED | PEERS).items() if module in missing() and module not in TORCH]
    # All at once is fast; one by one says which one cannot be had.
    if wanted and subprocess.run([*pip, *wanted]).returncode != 0:
        for one in wanted:
            subprocess.run([*pip, one])
    importlib.invalidate_caches()
    if target.is_dir():
        sys.path.append(str(target))
    notes.put(installed=wanted, still_missing=missing(), versions=versions())
    lost = [module for module in missing() if module in NEEDED or module == "torch"]
    if lost:
        raise ModuleNotFoundError(f"missing, and not in the folder of wheels or the index: {', '.join(lost)}")


def missing() -> list[str]:
    """Return the modules that cannot be found."""
    return [one for one in ("torch", *NEEDED, *PEERS) if importlib.util.find_spec(one) is None]


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide the results."""
    names = ("torch", "keras", "numpy", "adversarial-robustness-toolbox", "foolbox", "torchattacks", "triton")
    found = {one.name.lower(): one.version for one in importlib.metadata.distributions() if one.name}
    return {name: found[name] for name in names if name in found}
