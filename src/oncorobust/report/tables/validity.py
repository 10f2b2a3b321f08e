"""The validity gate as a table, and the mark that a red check puts over tables, figures and the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import pandas as pd

from oncorobust.base.errors import InputError
from oncorobust.base.layout import results_file
from oncorobust.evaluation.validity import Check, checks_from_json, red_names
from oncorobust.evaluation.validity_certificates import CertifiedImages, judge_certificates
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.common import shown_as
from oncorobust.report.tables.render import SYNTHETIC, escape
from oncorobust.report.tables.sources import Metrics
from oncorobust.settings.pipeline import Report

NOT_VALID = "NOT VALID"
"""Beginning of the mark of results with red checks."""

CAPTION = (
    "Checks of whether the numbers under attack can be believed, for each model. Green: as expected of a sound "
    "evaluation. Red: not as expected, and the numbers are not valid. Not done: with the reason."
)


@dataclass(frozen=True)
class Gate:
    """The checks of one model of a data set; title: the data set's, as tables show it."""

    dataset: str
    title: str
    model: str
    synthetic: bool
    checks: tuple[Check, ...]

    @property
    def marked_title(self) -> str:
        """Return the data set's title, marked where its images are synthetic."""
        return f"{self.title} ({SYNTHETIC})" if self.synthetic else self.title

    @property
    def heading(self) -> str:
        """Return the data set's marked title and the model."""
        return f"{self.marked_title}, {self.model}"


def gates_of(
    validity: Metrics, report: Report, *, certified: Mapping[str, Mapping[str, tuple[Check, ...]]] | None = None
) -> tuple[Gate, ...]:
    """Return the gates of all models.

    validity: contents of validity.json by data set and model. certified: checks on the certificates of models that
    have some (`certificate_checks`); a model that is certified and not attacked has these alone.
    """
    gates = []
    for dataset, models in validity.items():
        proven = (certified or {}).get(dataset, {})
        judged = {
            model: checks_from_json(content, where=results_file(dataset, model, "validity.json"))
            for model, content in models.items()
        }
        synthetic = any(content["synthetic"] for content in models.values())
        gates += [
            Gate(
                dataset,
                shown_as(dataset, report).title,
                model,
                synthetic,
                judged.get(model, ()) + proven.get(model, ()),
            )
            for model in {**judged, **proven}
        ]
    return tuple(gates)


def certificate_checks(
    certify: Metrics, rows: Mapping[str, pd.DataFrame], images: Mapping[str, CertifiedImages]
) -> dict[str, dict[str, tuple[Check, ...]]]:
    """Judge the certificates of each data set and model.

    certify: contents of certify.json. rows: by the name of their file. images: by data set.
    """
    return {
        dataset: {
            model: judge_certificates(
                rows[results_file(dataset, model, "certificates.csv")], metrics, images=images[dataset]
            )
            for model, metrics in models.items()
        }
        for dataset, models in certify.items()
    }


def watermark(gates: Iterable[Gate]) -> str:
    """Return the mark of results with red checks, such as `NOT VALID: noise (CT, clean)`; empty where none is red."""
    models: dict[str, list[str]] = {}
    for gate in gates:
        for name in red_names(gate.checks):
            models.setdefault(name, []).append(f"{gate.title}, {gate.model}")
    named = "; ".join(f"{name} ({'; '.join(found)})" for name, found in models.items())
    return f"{NOT_VALID}: {named}" if named else ""


def marked(text: str, gates: Iterable[Gate]) -> str:
    """Return a caption with the mark of red checks in front."""
    mark = watermark(gates)
    return f"{mark}. {text}" if mark else text


def mark_tables(tables: Iterable[Table], gates: Sequence[Gate]) -> tuple[Table, ...]:
    """Return tables with the mark of red checks in front of their captions."""
    return tuple(replace(table, caption=marked(table.caption, gates)) for table in tables)


def refuse_red(gates: Iterable[Gate]) -> None:
    """Raise InputError naming the models with red checks, and what was found."""
    red = [
        f"{results_file(gate.dataset, gate.model, 'validity.json')}: {check.name} is red: {check.finding} "
        f"(expected: {check.expected})"
        for gate in gates
        for check in gate.checks
        if check.status == "red"
    ]
    if red:
        told = "the report is not written, because validity.on_failure is fail and a check is red; watermark marks it"
        raise InputError("\n".join([told, *red]))


def gates_to_json(gates: Sequence[Gate]) -> dict[str, Any]:
    """Return the content of tables/validity.json: the mark, and the checks of each model."""
    return {"mark": watermark(gates), "gates": [asdict(gate) for gate in gates]}


def gates_from_json(content: Mapping[str, Any], *, where: str) -> tuple[Gate, ...]:
    """Return the gates of tables/validity.json. Raises InputError naming the file `where` if it holds none."""
    try:
        return msgspec.convert(content["gates"], tuple[Gate, ...])
    except (KeyError, msgspec.ValidationError) as error:
        raise InputError(f"{where}: {error!r} (expected the checks of each model)") from error


def gates_frame(gates: Iterable[Gate]) -> pd.DataFrame:
    """Return a row per model and check: dataset, model, check, status, finding, expected, synthetic."""
    rows = [
        (gate.dataset, gate.model, one.name, one.status, one.finding, one.expected, gate.synthetic)
        for gate in gates
        for one in gate.checks
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "check", "status", "finding", "expected", "synthetic"])


def gates_markdown(gates: Sequence[Gate]) -> str:
    """Return the checks in Markdown, one table per model."""
    lines = [f"**Validity.** {escape(marked(CAPTION, gates))}"]
    for gate in gates:
        lines += ["", f"{escape(gate.heading)}", "", "| Check | Status | Found | Expected |", "|" + " :--- |" * 4]
        lines += [
            "| " + " | ".join(map(escape, (one.name, one.status, one.finding, one.expected))) + " |"
            for one in gate.checks
        ]
    return "\n".join(lines) + "\n"
