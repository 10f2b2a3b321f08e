"""Measure the peak memory of `harden` and `attack` against the build before, and for more images.

Each measurement is a process of its own: this build, or that of a git tag in a work tree beside this one. It draws
images, builds VGG16 with random weights, and runs the library's code of the stage with few iterations, which hold as
much memory as many:

    harden   one epoch of adversarial training by `training.recipes.harden`, with PGD of one step in the update and in
             the validation; as many validation images as fit into one batch
    attack   the paper's protocol at one epsilon, with BIM and PGD of one step, and the strict search with FGSM

Each build takes the precision that it takes by default on this machine; `--precision float32` sets it for both.
Images lie in a file that is mapped into memory, as those of the pipeline do; its pages count as memory once read.

Prints, for each, the largest resident memory (ru_maxrss), that at the start of the stage's work, and after / before
(aim: at most 0.6 at 224 px and batch 50), and the growth between the numbers of images (aim: none).

Run: python benchmarks/memory.py --before TAG [--stages harden attack] [--images 50 100] [--size 224] [--batch-size 50]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MIB = 2**20


def main() -> None:
    """Measure every build, stage and number of images in turn, or one where `--stage` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="git tag or commit of the earlier build; none if not given")
    parser.add_argument("--stages", nargs="+", default=["harden", "attack"], choices=["harden", "attack"])
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100], help="training or attacked images")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--precision", default="auto", help="auto or float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(measured(options, options.stage[0], int(options.stage[1]))))
        return
    print(f"{options.size} px, batches of {options.batch_size}, precision {options.precision}, MiB")
    with tempfile.TemporaryDirectory() as folder:
        roots = {"now": ROOT}
        if options.before:
            roots = {"before": Path(folder) / "before"} | roots
            subprocess.run(
                ["git", "worktree", "add", "--detach", "--quiet", roots["before"], options.before], cwd=ROOT, check=True
            )
        try:
            for stage in options.stages:
                show(stage, {name: [run(root, stage, n) for n in options.images] for name, root in roots.items()})
        finally:
            if options.before:
                subprocess.run(["git", "worktree", "remove", "--force", roots["before"]], cwd=ROOT, check=True)


def run(root: Path, stage: str, n: int) -> dict[str, Any]:
    """Run one measurement with the code below `root`."""
    arguments = [sys.executable, __file__, *sys.argv[1:], "--stage", stage, str(n)]
    paths = {"PYTHONPATH": str(root / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(arguments, env=os.environ | paths, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1]) | {"images": n}
    return found


def measured(options: argparse.Namespace, stage: str, n: int) -> dict[str, Any]:
    """Run one stage; return the memory before its work and the largest, in MiB, and the precision."""
    from oncorobust.backend.runtime import prepare

    prepare(threads=options.threads, seed=0)
    from oncorobust.models.vgg16 import build_vgg16
    from oncorobust.settings.load import load_params

    presets = Path(sys.modules["oncorobust"].__file__ or "").parents[2] / "presets"
    params = load_params(presets / "demo.yaml")
    settings = params.datasets["lidc"].model
    with tempfile.TemporaryDirectory() as folder:
        data = drawn(Path(folder), n, size=options.size)
        model = build_vgg16(replaced(settings, weights="none"), size=options.size, n_classes=2, seed=0)
        start = peak_mib()
        work = {"harden": harden_once, "attack": attack_once}[stage]
        precision = work(params, model, data, options)
    return {"start": start, "peak": peak_mib(), "precision": precision}


def drawn(folder: Path, n: int, *, size: int) -> Any:
    """Draw random images of two classes into a file, and map it."""
    import numpy as np
    import pandas as pd

    from oncorobust.data.dataset import LabelledImages

    rng = np.random.default_rng(0)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, (n, size, size, 1))
    for image in images:
        image[:] = rng.random(image.shape)
    images.flush()
    del images
    labels = np.arange(n) % 2
    rows = pd.DataFrame(
        {
            **{"image_id": [f"i{one}" for one in range(n)], "patient_id": [f"p{one}" for one in range(n)]},
            **{"label": labels, "class_name": np.array(["a", "b"])[labels], "split": "train", "source": "drawn"},
            "position": np.arange(n),
        }
    )
    return LabelledImages(rows, np.load(folder / "images.npy", mmap_mode="r"), ("a", "b"), synthetic=True, name="drawn")


def harden_once(params: Any, model: Any, data: Any, options: argparse.Namespace) -> str:
    """Train for one epoch; return the precision."""
    import numpy as np

    from oncorobust.training.recipes import harden

    settings = params.datasets["lidc"].harden
    chosen = {"epochs": 1, "batch_size": options.batch_size, "max_iter": 1, "validation_max_iter": 1}
    if options.precision != "auto":
        chosen["precision"] = options.precision
    settings = replaced(settings, patience=None, **chosen)
    harden(
        model,
        data,
        data.take(np.arange(min(len(data), options.batch_size))),
        settings=settings,
        augment_settings=replaced(params.datasets["lidc"].augment, copies=0),
        seed=0,
        checkpoint=None,
        listener=Silent(),
    )
    return str(settings.precision)


def attack_once(params: Any, model: Any, data: Any, options: argparse.Namespace) -> str:
    """Attack by both protocols; return the precision."""
    from search_before_and_after import default_target

    from oncorobust.attacks.art_classifier import KerasClassifier
    from oncorobust.attacks.cascade import cascade
    from oncorobust.attacks.goals import leave
    from oncorobust.attacks.minimal_epsilon import search
    from oncorobust.evaluation.blocks import blocks_of
    from oncorobust.evaluation.paper import attack_rows
    from oncorobust.evaluation.resumable_rows import ResumableRows

    attacks = params.attacks
    few = {"max_iter": 1, "rel_eps_step": 1.0}
    attacks = replaced(attacks, bim=replaced(attacks.bim, **few), pgd=replaced(attacks.pgd, num_random_init=1, **few))
    classifier = KerasClassifier(model, batch_size=options.batch_size)
    blocks = blocks_of(len(data), options.batch_size)
    attack_rows(
        classifier, data, blocks, epsilons=(0.002,), settings=attacks, seed=0, resumable=ResumableRows(lambda *_: None)
    )
    precision = attacks.strict.search_precision if options.precision == "auto" else options.precision
    target = default_target(model, precision)
    for at in blocks:
        x = data.images(at)
        goal = leave(target.logits(x).argmax(axis=1), n_classes=target.n_classes)
        stages = cascade(classifier, settings=attacks, seed=0)[:1]
        for _ in search(target, x, goal, stages=stages, epsilons=(0.02,), relative_width=0.5):
            pass
    return f"{precision}, {type(target).__name__}"


def replaced(settings: Any, **values: Any) -> Any:
    """Return settings with some values replaced."""
    import msgspec

    return msgspec.structs.replace(settings, **values)


def peak_mib() -> float:
    """Return the largest resident memory of this process so far."""
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib * 1024 / MIB


class Silent:
    """A listener that shows nothing."""

    def begin(self, done: int) -> None:
        """Show nothing."""

    def update(self, done: int, total: int, text: str) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


def show(stage: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Print the measurements of one stage, and their ratios."""
    for name, runs in found.items():
        for one in runs:
            print(
                f"{stage:7} {name:6} {one['images']:4} images  peak {one['peak']:7.0f}  "
                f"at the start {one['start']:6.0f}  ({one['precision']})"
            )
        print(f"{stage:7} {name:6} last / first number of images {runs[-1]['peak'] / runs[0]['peak']:.3f}")
    if "before" in found:
        for before, now in zip(found["before"], found["now"], strict=True):
            own = (now["peak"] - now["start"]) / (before["peak"] - before["start"])
            print(
                f"{stage:7} now / before, {now['images']} images: {now['peak'] / before['peak']:.2f}  "
                f"(without what was there at the start {own:.2f})"
            )


if __name__ == "__main__":
    main()
