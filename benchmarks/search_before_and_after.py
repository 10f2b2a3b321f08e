"""Time the search for minimal epsilons against the same search of an earlier build, and compare what they find.

Each side runs in a process of its own, in turn, with the same model, images, grid and settings (fgsm, bim and pgd of
presets/paper.yaml); `before` imports the code of a git tag from a work tree beside this one. A side takes the precision
that it would take by default on this machine.

Prints seconds per image of both and before / after (aims: at least 2.5 at 32 px, 4 at 116 px), gradients per image
(aim: at most 60), and after / before of the smallest epsilons found: median (aim: at most 1.00), 95th percentile (aim:
at most 1.03), largest, and images lost (aim: none).

Run: python benchmarks/search_before_and_after.py --before TAG [--images 48] [--repeats 2] [--model ...] [--data ...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run both sides in turn and print their ratio, or run one side where `--side` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", help="git tag or commit of the earlier build")
    parser.add_argument("--data", type=Path, default=Path("data/processed/lidc"), help="a processed data set")
    parser.add_argument("--model", type=Path, default=Path("models/lidc/clean.keras"))
    parser.add_argument("--images", type=int, default=48, help="number of test images, drawn with seed 0")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each side; the shortest counts")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measured(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", earlier, options.before], cwd=ROOT, check=True)
        try:
            turns = [(run(earlier), run(ROOT)) for _ in range(options.repeats)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", earlier], cwd=ROOT, check=True)
    show(*([turn[side] for turn in turns] for side in (0, 1)))


def run(root: Path) -> dict[str, Any]:
    """Run one side with the code below `root`; return what `measured` returns there."""
    arguments = [sys.executable, __file__, *sys.argv[1:], "--side", root.name]
    paths = {"PYTHONPATH": str(root / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    told = subprocess.run(arguments, env=os.environ | paths, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Search the images; return seconds, gradients and forward passes per image, and the epsilons found."""
    from oncorobust.backend.runtime import prepare

    prepare(threads=1, seed=0)
    from oncorobust.attacks.art_classifier import KerasClassifier
    from oncorobust.attacks.cascade import cascade
    from oncorobust.attacks.goals import leave
    from oncorobust.attacks.minimal_epsilon import search
    from oncorobust.data.dataset import load
    from oncorobust.models.vgg16 import load_classifier
    from oncorobust.settings.load import load_params

    params = load_params(Path(sys.modules["oncorobust"].__file__ or "").parents[2] / "presets" / "paper.yaml")
    attacks, grid = params.attacks, params.datasets["lidc"].attack.epsilons
    data = load(options.data).select("test").subset(options.images, seed=0)
    model = load_classifier(options.model, image_shape=data.image_shape, n_classes=len(data.class_names))
    target = default_target(model, attacks.strict.search_precision)
    stages = cascade(KerasClassifier(model), settings=attacks, seed=0)[:3]

    def searched(x: np.ndarray) -> Any:
        goal = leave(target.logits(x).argmax(axis=1), n_classes=target.n_classes)
        width = attacks.strict.relative_width
        *_, (_, found) = search(target, x, goal, stages=stages, epsilons=grid, relative_width=width)
        return found

    searched(data.images()[:4])
    cost = getattr(target, "cost", target)
    cost.n_gradients = cost.n_forwards = 0
    wall_s, processor_s = time.perf_counter(), time.process_time()
    found = searched(data.images())
    wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
    n = len(data)
    return {
        "wall_s": wall_s / n,
        "processor_s": processor_s / n,
        "gradients": cost.n_gradients / n,
        "forwards": cost.n_forwards / n,
        "kind": type(target).__name__,
        "first_flipped": [float(one) if np.isfinite(one) else None for one in found.first_flipped],
    }


def default_target(model: Any, precision: str) -> Any:
    """Return the target of a search in the precision of the preset, of this build or of an earlier one."""
    try:
        from oncorobust.attacks.coarse_target import target_of
    except ImportError:
        from oncorobust.attacks.target import Target

        return Target(model)
    return target_of(model, precision=precision)


def show(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Print times, costs and the comparison of thresholds."""
    shortest = {
        name: {kind: min(one[kind] for one in runs) for kind in ("wall_s", "processor_s")}
        for name, runs in {"before": before, "after": after}.items()
    }
    for name, one in {"before": before[0], "after": after[0]}.items():
        times = shortest[name]
        print(
            f"{name:6}  {times['wall_s']:.3f} s per image (processor {times['processor_s']:.3f} s), "
            f"{one['gradients']:.1f} gradients, {one['forwards']:.1f} forward passes, {one['kind']}"
        )
    ratio = {kind: shortest["before"][kind] / shortest["after"][kind] for kind in ("wall_s", "processor_s")}
    print(f"before / after {ratio['wall_s']:.2f}  (processor {ratio['processor_s']:.2f})")
    old, new = (
        np.array([np.inf if value is None else value for value in one[0]["first_flipped"]]) for one in (before, after)
    )
    both = np.isfinite(old) & np.isfinite(new) & (old > 0)
    share, lost = new[both] / old[both], int((np.isfinite(old) & np.isinf(new)).sum())
    print(
        f"after / before of {both.sum()} smallest epsilons: median {np.median(share):.4f}, 95th percentile "
        f"{np.quantile(share, 0.95):.4f}, largest {share.max():.4f}; lost {lost}, gained "
        f"{int((np.isinf(old) & np.isfinite(new)).sum())}"
    )


if __name__ == "__main__":
    main()
