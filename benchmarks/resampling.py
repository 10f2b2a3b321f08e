"""Time the intervals of a table's cells by resampling patients, against a loop over draws with pandas.

Both sides resample patients of the same made-up rows (one flag per image and cell) and compute every cell's share in
every draw:

    ours    `draw_patients`, the sums per patient and `ratio_intervals`: draws as counts per patient, two matrix
            products, bounds with the bias correction and acceleration (jackknife over patients)
    pandas  per draw: sample patients, take their rows with `loc` from a frame indexed by patient, and their means
    iloc    the same with the places of each patient's rows looked up before, and `iloc`

The loops take the same time for each draw, so they run for --loop-draws draws, and their time is scaled to all draws.
Ours runs in a process of its own, whose peak resident memory includes Python and the imports.

Prints the seconds and the memory of ours (aims: at most 10 s and less than 1,500 MB on 2 cores), and the ratios of the
times (aim: at least 50, for the first loop).

Run: python benchmarks/resampling.py [--images 2600] [--patients 650] [--cells 30] [--draws 10000] [--loop-draws 50]
"""

import argparse
import multiprocessing
import os
import resource
import time

import numpy as np
import pandas as pd

from oncorobust.evaluation.intervals import ratio_intervals
from oncorobust.evaluation.resampling import LEVEL, draw_patients, patient_sums
from oncorobust.evaluation.share_bounds import Term


def main() -> None:
    """Measure both sides, and print times, memory and their ratio."""
    options = _options()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, memory_mb = pool.apply(measure_ours, (options,))
    load = f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}"
    print(f"{options.draws} draws, {options.images} images, {options.patients} patients, {options.cells} cells; {load}")
    print(f"ours    {seconds:.2f} s  (aim: at most 10), peak memory {memory_mb:.0f} MB  (aim: less than 1500)")
    rows = make_rows(options)
    for name, loop, aim in (("pandas", means_by_label, "  (aim: at least 50)"), ("iloc", means_by_place, "")):
        started = time.monotonic()
        loop(rows, n_draws=options.loop_draws)
        measured = time.monotonic() - started
        scaled = measured * options.draws / options.loop_draws
        print(f"{name:7} {scaled:.0f} s   scaled from {measured:.2f} s for {options.loop_draws} draws")
        print(f"{name} / ours  {scaled / seconds:.0f}{aim}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=2600, help="rows")
    parser.add_argument("--patients", type=int, default=650, help="patients of these images")
    parser.add_argument("--cells", type=int, default=30, help="shares with an interval")
    parser.add_argument("--draws", type=int, default=10_000, help="samples of patients")
    parser.add_argument("--loop-draws", type=int, default=50, help="samples of the loop with pandas")
    return parser.parse_args()


def make_rows(options: argparse.Namespace) -> pd.DataFrame:
    """Make rows with a patient_id and a flag per cell; every patient has at least one image."""
    rng = np.random.default_rng(0)
    patients = np.r_[np.arange(options.patients), rng.integers(0, options.patients, options.images - options.patients)]
    flags = rng.random((options.images, options.cells)) < np.linspace(0.2, 0.95, options.cells)
    rows = pd.DataFrame(flags, columns=[f"cell{number}" for number in range(options.cells)])
    return rows.assign(patient_id=[f"p{patient:04}" for patient in patients])


def measure_ours(options: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds and the peak resident memory (MB) of our intervals of all cells."""
    rows = make_rows(options)
    started = time.monotonic()
    draws = draw_patients(rows["patient_id"], n_draws=options.draws, seed=0)
    images = patient_sums(np.ones(len(rows)), rows["patient_id"], draws)
    cells = [
        (Term(1.0, patient_sums(rows[f"cell{number}"].to_numpy(), rows["patient_id"], draws), images),)
        for number in range(options.cells)
    ]
    ratio_intervals(cells, draws, level=LEVEL)
    return time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def means_by_label(rows: pd.DataFrame, *, n_draws: int) -> pd.DataFrame:
    """Return the cells' shares in each draw, (draws, cells), by the patients' labels."""
    rng, flags = np.random.default_rng(0), rows.set_index("patient_id")
    patients = flags.index.unique()
    return pd.DataFrame([flags.loc[rng.choice(patients, len(patients))].mean() for _ in range(n_draws)])


def means_by_place(rows: pd.DataFrame, *, n_draws: int) -> pd.DataFrame:
    """Return the cells' shares in each draw, (draws, cells), by the places of the patients' rows."""
    rng, flags = np.random.default_rng(0), rows.drop(columns="patient_id")
    places = list(rows.groupby("patient_id").indices.values())
    drawn = (rng.integers(0, len(places), len(places)) for _ in range(n_draws))
    return pd.DataFrame([flags.iloc[np.concatenate([places[one] for one in draw])].mean() for draw in drawn])


if __name__ == "__main__":
    main()
