"""Estimate storage, GPU hours and jobs for a million images of a hospital network, from the times of a finished run.

Measured in the given run are the seconds of each job on one processor thread (Snakemake's logs/benchmarks) and the work
done in them: image-epochs of training and hardening, images of attack and rank, bytes of rows. Each stage has a range,
from the fastest data set to the slowest. The estimate extrapolates to images of another size and to a GPU:

    GPU seconds per image = seconds per image x F(size) / F(size of the run) x R(processor) / R(GPU)

    F(size)       multiplications and additions of one forward pass of VGG16's convolutions, 30.7e9 x (size / 224)^2
    R(processor)  rate of the run's training: 3 F per image-epoch (a backward pass costs two forward passes) / second
    R(GPU)        share x peak rate of the card in float32, from its data sheet; evaluation does not allow TF32

The share is an assumption, from 0.25 to 0.6. No GPU was measured. The lower limit uses the fastest data set and the
large share, the upper limit the slowest data set and the small share. The measured seconds include reading and
start-up, and these scale with them, so the estimate from a short run is too high. Tables, figures and the page take
seconds. Results: docs/how-to/scale.md.

Run: python benchmarks/hospital_cost.py RUN [--images 1000000] [--size 224] [--gpu A100] [--shard 2000]
"""

import argparse
import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

PEAK_FLOPS = {"V100": 15.7e12, "A100": 19.5e12, "H100": 66.9e12}
"""Float32 without tensor cores, NVIDIA's data sheets (SXM cards)."""

SHARE_OF_PEAK = (0.6, 0.25)
FORWARD_FLOPS_AT_224 = 30.7e9
TRAINING_PASSES = 3
TEST_SHARE, TRAIN_SHARE = 1 / 3, 7 / 12  # split 2:1 by patient, one training image in eight for validation
N_MODELS = 2
HEAD_UNITS = (4096, 1024)
STRICT_PASSES = 2 * 106 + 15
"""A strict search takes 106 gradients and 15 forward passes per image, counted in benchmarks/results/engine.md."""


@dataclass(frozen=True)
class Rate:
    """Seconds per image (or image-epoch) of a stage in one data set, on one thread, at an image side in pixels."""

    dataset: str
    size: int
    seconds: float


@dataclass(frozen=True)
class Run:
    """A finished run: its parameters, and each data set's summary."""

    folder: Path
    params: dict[str, Any]
    summaries: dict[str, Any]

    def seconds(self, stage: str, job: str) -> float:
        """Return the seconds of a job from its benchmark file."""
        with (self.folder / "logs" / "benchmarks" / stage / f"{job}.tsv").open() as stream:
            return float(next(csv.DictReader(stream, delimiter="\t"))["s"])

    def metrics(self, dataset: str, name: str) -> dict[str, Any]:
        """Read a metrics file of a data set."""
        content: dict[str, Any] = json.loads((self.folder / "reports" / dataset / name).read_text())
        return content


def main() -> None:
    """Read the run, and print the measurements and the estimate."""
    options = _options()
    run = _read(options.run)
    rates = {stage: [of(run, name) for name in run.summaries] for stage, of in STAGES.items()}
    _print_measured(rates)
    speeds = [TRAINING_PASSES * forward_flops(rate.size) / rate.seconds for rate in rates["train"]]
    print(f"\nprocessor: {min(speeds) / 1e9:.0f} to {max(speeds) / 1e9:.0f} GFLOP/s a thread in training, R(processor)")
    hours = {stage: _gpu_hours(found, stage, max(speeds), options) for stage, found in rates.items() if stage in UNITS}
    _print_gpu(hours, options)
    _print_storage(run, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a repository in which the pipeline ran")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--gpu", choices=PEAK_FLOPS, default="A100")
    parser.add_argument("--epochs", type=int, default=4, help="of training, and of hardening")
    parser.add_argument("--shard", type=int, default=2000, help="test images a job")
    return parser.parse_args()


def _read(folder: Path) -> Run:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    summaries = {
        name: json.loads((folder / "data" / "processed" / name / "summary.json").read_text())
        for name in params["run"]["datasets"]
    }
    return Run(folder, params, summaries)


def forward_flops(size: int) -> float:
    """Return the operations of one forward pass of VGG16's convolutions per image; dense layers add less than 1 %."""
    return FORWARD_FLOPS_AT_224 * (size / 224) ** 2


def _image_epochs(run: Run, dataset: str, model: str) -> float:
    images = sum(run.summaries[dataset]["counts"]["train"].values())
    copies = 1 + run.params["datasets"][dataset]["augment"]["copies"]
    return images * copies * float(run.metrics(dataset, f"{model}/training.json")["epochs_run"])


def _preprocessing(run: Run, dataset: str) -> Rate:
    summary = run.summaries[dataset]
    return Rate(dataset, summary["size"], run.seconds("preprocess", dataset) / summary["n_images"])


def _training(run: Run, dataset: str) -> Rate:
    seconds = run.seconds("train", dataset) / _image_epochs(run, dataset, "clean")
    return Rate(dataset, run.summaries[dataset]["size"], seconds)


def _hardening(run: Run, dataset: str) -> Rate:
    seconds = run.seconds("harden", dataset) / _image_epochs(run, dataset, "adversarial")
    return Rate(dataset, run.summaries[dataset]["size"], seconds)


def _attacking(run: Run, dataset: str) -> Rate:
    seconds = run.seconds("attack", f"{dataset}-clean") / run.metrics(dataset, "clean/attack.json")["n_images"]
    return Rate(dataset, run.summaries[dataset]["size"], seconds)


def _ranking(run: Run, dataset: str) -> Rate:
    rows = (run.folder / "reports" / dataset / "clean" / "sensitivity.csv").read_text().count("\n") - 1
    return Rate(dataset, run.summaries[dataset]["size"], run.seconds("rank", f"{dataset}-clean") / rows)


STAGES: dict[str, Callable[[Run, str], Rate]] = {
    "preprocess": _preprocessing,
    "train": _training,
    "harden": _hardening,
    "attack": _attacking,
    "rank": _ranking,
}
UNITS = {"train": TRAIN_SHARE, "harden": TRAIN_SHARE, "attack": N_MODELS * TEST_SHARE, "rank": N_MODELS * TEST_SHARE}
"""Images that a stage works on, for each image of the collection; training sees them in each epoch."""


def _gpu_hours(rates: list[Rate], stage: str, processor: float, options: argparse.Namespace) -> tuple[float, float]:
    """Return the lower and the upper limit of a stage's GPU hours for all images."""
    units = options.images * UNITS[stage] * (options.epochs if stage in ("train", "harden") else 1)
    operations = [rate.seconds * processor * forward_flops(options.size) / forward_flops(rate.size) for rate in rates]
    peak = PEAK_FLOPS[options.gpu]
    cheap, dear = (
        units * one / (share * peak) / 3600 for one, share in zip(_ends(operations), SHARE_OF_PEAK, strict=True)
    )
    return cheap, dear


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _print_measured(rates: dict[str, list[Rate]]) -> None:
    print("measured: stage | images (train, harden: image-epochs) a second and thread, by data set and its pixels")
    for stage, found in rates.items():
        print(f"{stage} | " + ", ".join(f"{one.dataset} ({one.size}) {1 / one.seconds:.3g}" for one in found))


def _print_gpu(hours: dict[str, tuple[float, float]], options: argparse.Namespace) -> None:
    print(f"\nextrapolated: {options.images:,} images, {options.size} pixels, {options.gpu}, {options.epochs} epochs")
    print("stage | GPU hours")
    for stage, (cheap, dear) in hours.items():
        print(f"{stage} | {cheap:,.0f} to {dear:,.0f}")
    total = [sum(end) for end in zip(*hours.values(), strict=True)]
    print(f"all | {total[0]:,.0f} to {total[1]:,.0f}")
    passes = options.images * N_MODELS * TEST_SHARE * STRICT_PASSES * forward_flops(options.size)
    strict = [passes / (share * PEAK_FLOPS[options.gpu]) / 3600 for share in SHARE_OF_PEAK]
    print(f"in place of attack and rank, the strict search alone, by its passes | {strict[0]:,.0f} to {strict[1]:,.0f}")
    _print_jobs(hours, options)


def _print_jobs(hours: dict[str, tuple[float, float]], options: argparse.Namespace) -> None:
    n_shards = math.ceil(options.images * TEST_SHARE / options.shard)
    print(f"\njobs: {n_shards} shards of {options.shard} test images, {4 * n_shards + 8} jobs in all for one data set")
    # Training is one job on one GPU; a model's attack waits for it, and both models' shards then share the GPUs.
    chain = [hours["train"][end] + hours["harden"][end] for end in (0, 1)]
    shared = [hours["attack"][end] + hours["rank"][end] for end in (0, 1)]
    print("GPUs | days, at least")
    for gpus in (1, 8, 64):
        days = [(chain[end] + shared[end] / min(gpus, 2 * n_shards)) / 24 for end in (0, 1)]
        print(f"{gpus} | {days[0]:,.1f} to {days[1]:,.1f}")


def _print_storage(run: Run, options: argparse.Namespace) -> None:
    images = options.images * options.size**2 * options.channels * 4
    inputs = [512 * (options.size // 32) ** 2, *HEAD_UNITS]
    head = sum(one * other for one, other in pairwise(inputs))
    models = N_MODELS * 4 * (14.7e6 + head)
    rows = [_bytes_of_rows(run, name) for name in run.summaries]
    print("\nstorage, GB: kind | all images")
    print(f"data/processed, float32 | {images / 1e9:,.0f}")
    print(f"two models | {models / 1e9:.1f}")
    low, high = (one * options.images * TEST_SHARE * N_MODELS / 1e9 for one in _ends(rows))
    print(f"rows of attack and rank | {low:,.1f} to {high:,.1f}")
    print(
        f"workspace and DVC's cache by hard links | {(images + models) / 1e9 + high:,.0f}; a remote: the same once more"
    )


def _bytes_of_rows(run: Run, dataset: str) -> float:
    """Return the bytes of CSV rows per test image and model."""
    folder = run.folder / "reports" / dataset / "clean"
    names = ["predictions.csv", "intervals.csv", "threats.csv", "sensitivity.csv"]
    size = sum((folder / name).stat().st_size for name in names if (folder / name).is_file())
    return size / float(run.metrics(dataset, "clean/attack.json")["n_images"])


if __name__ == "__main__":
    main()
