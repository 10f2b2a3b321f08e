"""Verdict files as readers see them: as lines of text and as the tables of the page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import Any

ALL_IMAGES = "all images"
"""Name of the group of all images, beside subgroups."""


@dataclass(frozen=True)
class VerdictLine:
    """A verdict as a line of the page's table; to_decide: empty if decided or if no number of patients would decide."""

    dataset: str
    requirement: str
    group: str
    outcome: str
    value: str
    size: str
    method: str
    to_decide: str


@dataclass(frozen=True)
class PolicyView:
    """What the page shows of a verdict file.

    key: name of the policy's file without its ending. declared_before: whether the policy is shown to be older than the
    rows.
    """

    key: str
    name: str
    model: str
    level: str
    outcome: str
    declaration: str
    declared_before: bool
    lines: tuple[VerdictLine, ...]


def policy_view(content: Mapping[str, Any], titles: Mapping[str, str], *, units: Mapping[str, str]) -> PolicyView:
    """Return what the page shows of a verdict file; titles, units (`page.text.sampled_unit`): of data sets by key."""
    return PolicyView(
        key=PurePath(content["policy"]["path"]).stem,
        name=content["policy"]["name"],
        model=content["model"],
        level=_level(content),
        outcome=content["outcome"],
        declaration=content["declaration"]["sentence"],
        declared_before=content["declaration"]["state"] == "declared before",
        lines=tuple(_line(one, titles[one["dataset"]], units[one["dataset"]]) for one in content["verdicts"]),
    )


def dataset_outcome(content: Mapping[str, Any], dataset: str) -> str:
    """Return the outcome of a verdict file on one data set (`acceptance.overall`); empty where it judges none of it."""
    held = [one for one in content["verdicts"] if one["dataset"] == dataset]
    found = {one["outcome"] for one in held if not (one["subgroup"]["small"] and one["outcome"] == "undecided")}
    if not held or "not met" in found:
        return "not met" if held else ""
    return "met" if found == {"met"} else "undecided"


def _line(one: Mapping[str, Any], title: str, unit: str) -> VerdictLine:
    return VerdictLine(
        dataset=title,
        requirement=one["requirement"],
        group=_group_name(one["subgroup"]),
        outcome=one["outcome"],
        value=_value(one),
        size=_size(one) if unit == "patients" else f"{one['n_images']} images",
        method=one["method"],
        to_decide="" if one["patients_to_decide"] is None else _needed(one, unit),
    )


def verdict_lines(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the content of a verdict file as lines: each requirement with its verdicts, and the overall verdict."""
    policy = content["policy"]
    yield f"{policy['name']} ({policy['path']}), model {content['model']}, one-sided level {_level(content)}"
    for (dataset, requirement), group in groupby(content["verdicts"], key=_heading):
        yield f"\n{dataset}, {requirement}"
        rows = [(_group_name(one["subgroup"]), one["outcome"], _sentence(one)) for one in group]
        width = max(len(name) for name, _, _ in rows)
        yield from (f"  {name:{width}}  {outcome:9}  {value}" for name, outcome, value in rows)
    yield f"\nOverall: {content['outcome']}"
    yield content["declaration"]["sentence"]


def _level(content: Mapping[str, Any]) -> str:
    return f"{100 * content['level']:.4g} %"


def _heading(verdict: Mapping[str, Any]) -> tuple[str, str]:
    return verdict["dataset"], verdict["requirement"]


def _group_name(subgroup: Mapping[str, Any]) -> str:
    name = f"{subgroup['column']} {subgroup['value']}" if subgroup["column"] else ALL_IMAGES
    return f"{name} (small)" if subgroup["small"] else name


def _sentence(one: Mapping[str, Any]) -> str:
    """Return a verdict's value with its bounds, what is behind it, and how many patients would decide it."""
    how = f"; {one['method']}" if _has_bounds(one) else ""
    text = f"{_value(one)} ({_size(one)}{how})"
    if one["patients_to_decide"] is None:
        return text
    return f"{text}; {_needed(one, 'patients')} would decide it if the value stayed"


def _has_bounds(one: Mapping[str, Any]) -> bool:
    return one["value"] is not None and one["low"] is not None


def _size(one: Mapping[str, Any]) -> str:
    return f"{one['n_images']} images, {one['n_patients']} patients"


def _needed(one: Mapping[str, Any], unit: str) -> str:
    """Return the number of patients, or images, that would decide a verdict, with two significant digits."""
    rounded = float(f"{one['patients_to_decide']:.1e}")
    return f"about {rounded:,.0f} {unit}"


def _value(one: Mapping[str, Any]) -> str:
    """Return a value with both one-sided bounds, to a tenth of a percent, which shows on which side they are."""
    if not _has_bounds(one):
        return f"no bounds: {one['reason']}"
    if one["metric"] == "auc":
        return f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    value, low, high = (f"{100 * one[name]:.1f}" for name in ("value", "low", "high"))
    unit = "points" if one["limit"] == "at_most_below_previous" else "%"
    return f"{value} {unit} ({low} to {high})"
