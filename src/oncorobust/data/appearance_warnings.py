"""Warnings on how the images look: extremes, enlargement, and differences between classes that a model may learn.

A class that differs from the others in something other than its subject (size of the files, bit depth, compression,
padding, scanner) can be recognised without looking at the subject. Such a shortcut is reported if it tells one class
from the rest in a large part of the images and is not chance: a difference of shares of at least 0.3, or an area under
the ROC curve of at most 0.3 or at least 0.7, and at least 4 standard errors of no difference. Source of the idea:
Geirhos et al., Shortcut learning in deep neural networks, Nature Machine Intelligence 2, 2020.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from oncorobust.data.appearances import Appearances, Look
from oncorobust.formats.records import NO_LABEL

WARNING = "warning: "
"""How a warning begins among the notes of summary.json."""

_DARK, _BRIGHT = 0.02, 0.98
_MOST_CLIPPED = 0.1
_LARGEST_ENLARGEMENT = 2
_NAMED = 3
_LEAST_SHARE, _LEAST_AUC, _LEAST_ERRORS = 0.3, 0.7, 4.0
_ORIGIN = re.compile(r"scanner|manufacturer|vendor|device|site|hospital|institution|modality")
_MOST_ORIGINS = 20
_OTHER = "other"
"""A kind that has no name of its own."""


def warn(seen: Appearances, rows: pd.DataFrame, class_names: Sequence[str], *, size: int) -> list[str]:
    """Return the warnings of a data set, in sentences.

    rows: index of the data set, one row per image, with columns label and source. size: of the processed images.
    """
    sources = rows["source"].tolist()
    return [
        *_on_extremes(seen.looks, sources),
        *_on_clipping(seen, class_names),
        *_on_enlargement(seen.looks, sources, size),
        *_on_shortcuts(seen.looks, rows, class_names),
    ]


def _on_extremes(looks: Sequence[Look], sources: Sequence[str]) -> Iterator[str]:
    constant = [look.contrast == 0 for look in looks]
    kinds = {
        "are constant after preprocessing: every pixel has one value": constant,
        "are nearly black (mean below 0.02)": [
            look.mean < _DARK and not flat for look, flat in zip(looks, constant, strict=True)
        ],
        "are nearly white (mean above 0.98)": [
            look.mean > _BRIGHT and not flat for look, flat in zip(looks, constant, strict=True)
        ],
    }
    for text, found in kinds.items():
        if any(found):
            yield f"{sum(found)} of {len(looks)} images {text}: {_names(sources, found)}"


def _on_clipping(seen: Appearances, class_names: Sequence[str]) -> Iterator[str]:
    for label, name in enumerate(class_names):
        for share, side in zip(seen.mean_shares(label), ("below the black", "above the white"), strict=False):
            if share > _MOST_CLIPPED:
                value = seen.low if side.startswith("below") else seen.high
                yield f"{100 * share:.0f} % of the values of class {name} lie {side} value ({value:g}) and are clipped"


def _on_enlargement(looks: Sequence[Look], sources: Sequence[str], size: int) -> Iterator[str]:
    found = [look.kept * _LARGEST_ENLARGEMENT < size for look in looks]
    if any(found):
        smallest = min(look.kept for look in looks)
        yield (
            f"{sum(found)} of {len(looks)} images are enlarged more than {_LARGEST_ENLARGEMENT} times, the smallest "
            f"from {smallest} to {size} pixels: {_names(sources, found)}"
        )


def _on_shortcuts(looks: Sequence[Look], rows: pd.DataFrame, class_names: Sequence[str]) -> Iterator[str]:
    labelled = (rows["label"] != NO_LABEL).to_numpy()
    looks, rows = [look for look, has in zip(looks, labelled, strict=True) if has], rows[labelled]
    labels = rows["label"].to_numpy()
    numbers = {
        "stored size in pixels": [look.side for look in looks],
        "share of padding": [look.padded for look in looks],
    }
    if "spacing_mm" in rows:
        numbers["pixel spacing in mm"] = pd.to_numeric(rows["spacing_mm"], errors="coerce").tolist()
    for title, values in numbers.items():
        if found := _strongest_auc(np.array(values, dtype=float), labels):
            label, auc = found
            which = "higher" if auc > 0.5 else "lower"
            yield (
                f"the {title} is {which} in class {class_names[label]} than in the others (AUC {auc:.2f}): a model may "
                "learn it in place of the subject"
            )
    for title, kinds in _kinds(looks, rows).items():
        if strongest := _strongest_share(np.array(kinds, dtype=object), labels):
            label, kind, inside, outside = strongest
            yield (
                f"{100 * inside:.0f} % of class {class_names[label]}, but {100 * outside:.0f} % of the others, have "
                f"{title} {kind}: a model may learn it in place of the subject"
            )


def _kinds(looks: Sequence[Look], rows: pd.DataFrame) -> dict[str, list[str]]:
    kinds = {
        "a range of stored values of": [look.depth for look in looks],
        "stored channels:": ["3" if look.colour else "1" for look in looks],
        "compression": ["with loss" if look.lossy else "without loss" for look in looks],
        "corners that are": [look.corners for look in looks],
        "files of type": [name.rpartition(".")[2].lower() if "." in name else "none" for name in rows["source"]],
    }
    for name in rows.columns:
        texts = rows[name].astype(str)
        if _ORIGIN.search(str(name).lower()) and 2 <= texts.nunique() <= _MOST_ORIGINS:
            kinds[str(name)] = texts.tolist()
    return kinds


def _strongest_auc(values: np.ndarray, labels: np.ndarray) -> tuple[int, float] | None:
    """Return the class that a number tells best from the others, with its AUC; None if there is none."""
    found: tuple[int, float] | None = None
    if np.isnan(values).any() or (values == values[0]).all():
        return None
    ranks = rankdata(values)
    for label in np.unique(labels):
        inside = labels == label
        n, rest = int(inside.sum()), int((~inside).sum())
        if not rest:
            continue
        auc = float((ranks[inside].sum() - n * (n + 1) / 2) / (n * rest))
        error = np.sqrt((n + rest + 1) / (12 * n * rest))
        strong = max(auc, 1 - auc) >= _LEAST_AUC and abs(auc - 0.5) >= _LEAST_ERRORS * error
        if strong and (found is None or abs(auc - 0.5) > abs(found[1] - 0.5)):
            found = int(label), auc
    return found


def _strongest_share(kinds: np.ndarray, labels: np.ndarray) -> tuple[int, str, float, float] | None:
    """Return class and kind whose share differs most between a class and the others, with both shares, or None."""
    sizes = pd.Series(labels).value_counts().sort_index().to_numpy(float)[:, None]
    counts = pd.crosstab(labels, kinds).drop(columns=_OTHER, errors="ignore")
    table, rests = counts.to_numpy(float), len(labels) - sizes
    if not table.size or not rests.all():
        return None
    pooled = table.sum(axis=0) / len(labels)
    inside, outside = table / sizes, (table.sum(axis=0) - table) / rests
    errors = np.sqrt(pooled * (1 - pooled) * (1 / sizes + 1 / rests))
    differences = np.where(inside - outside >= _LEAST_ERRORS * errors, inside - outside, 0)
    row, column = divmod(int(differences.argmax()), differences.shape[1])
    if differences[row, column] < _LEAST_SHARE:
        return None
    kind, label = str(counts.columns[column]), int(counts.index[row])
    return label, kind, float(inside[row, column]), float(outside[row, column])


def _names(sources: Sequence[str], found: Sequence[bool]) -> str:
    chosen = [repr(name) for name, one in zip(sources, found, strict=True) if one]
    return ", ".join(chosen[:_NAMED]) + (" and others" if len(chosen) > _NAMED else "")
