"""All numbers of all tables as one JSON file, results.json, and its JSON schema.

Unlike cells.json, which states how each number was computed, results.json is for programs outside this one: a flat list
of numbers, each with its place, unit, interval, size of the sample and test. `results_schema` gives the JSON schema
(draft 2020-12) that every such file fits; its `schema_version` grows when a key changes its meaning or goes.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from oncorobust.base.schema.version import SCHEMA_VERSION
from oncorobust.report.tables.cell import Cell, Interval, PairedTest, Table, Unit
from oncorobust.report.tables.render import NATURAL, unit_of

ResultUnit = Literal["fraction", "difference of fractions", "epsilon", "l2 distance", "ratio", "count", "score"]
_UNITS: dict[Unit, ResultUnit] = {
    "percent": "fraction",
    "points": "difference of fractions",
    "epsilon": "epsilon",
    "l2": "l2 distance",
    "times": "ratio",
    "count": "count",
    "score": "score",
}
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=0)]


class _Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of results.json: an object with these keys and no others."""


class DataSet(_Struct, frozen=True, kw_only=True):
    """A data set of the run."""

    key: Annotated[str, Meta(description="Key of the data set in params.yaml.")]
    title: Annotated[str, Meta(description="Title of the data set.")]
    synthetic: Annotated[bool, Meta(description="Whether its images are synthetic and show no patient.")]
    n_images: Annotated[_Count, Meta(description="Number of test images that were attacked.")]


class ResultField(_Struct, frozen=True, kw_only=True):
    """One of the numbers that a table gives for a row and a data set."""

    name: Annotated[str, Meta(description="Name of the number, as in `numbers[].field`.")]
    heading: Annotated[str, Meta(description="Heading of the number in the table, after that of its group.")]
    unit: Annotated[ResultUnit, Meta(description="Unit; an epsilon is an l_inf radius; pixel values in [0, 1].")]
    of_the_paper: Annotated[bool, Meta(description="Whether the paper states the number, instead of this run.")]


class ResultTable(_Struct, frozen=True, kw_only=True):
    """A table: what its numbers are."""

    name: Annotated[str, Meta(description="Name of the table, such as Table 1.")]
    caption: Annotated[str, Meta(description="Caption of the table.")]
    row_heads: Annotated[tuple[str, ...], Meta(description="What the parts of a row's key are; a colon parts them.")]
    labels: Annotated[dict[str, str], Meta(description="What readers see for the beginnings of rows' keys.")]
    fields: Annotated[tuple[ResultField, ...], Meta(description="The numbers of each row and data set.")]


class ResultInterval(_Struct, frozen=True, kw_only=True):
    """A confidence interval."""

    low: Annotated[float | None, Meta(description="Lower end; null beyond the largest epsilon searched.")]
    high: Annotated[float | None, Meta(description="Upper end; null beyond the largest epsilon searched.")]
    level: Annotated[_Fraction, Meta(description="Confidence level, such as 0.95.")]
    method: Annotated[str, Meta(description="Method that gave the interval.")]


class ResultTest(_Struct, frozen=True, kw_only=True):
    """A two-sided test of two models on the same patients."""

    p_value: Annotated[_Fraction, Meta(description="p value before adjustment.")]
    p_holm: Annotated[_Fraction, Meta(description="p value adjusted by Holm for all tests of the table.")]
    method: Annotated[str, Meta(description="Name of the test.")]


class Number(_Struct, frozen=True, kw_only=True):
    """One number of a table."""

    table: Annotated[str, Meta(description="Name of the table.")]
    data_set: Annotated[str, Meta(description="Key of the data set.")]
    row: Annotated[str, Meta(description="Key of the row, such as PGD:0.002.")]
    field: Annotated[str, Meta(description="Name of the number in its row and data set.")]
    value: Annotated[float | None, Meta(description="The number before rounding; null for none.")]
    unit: Annotated[ResultUnit, Meta(description="Unit of the value and of its interval.")]
    interval: Annotated[ResultInterval | None, Meta(description="Confidence interval; null for none.")]
    no_interval: Annotated[str, Meta(description="Why there is no interval, or no value; empty where there is one.")]
    n_images: Annotated[_Count | None, Meta(description="Images behind the number; null where not known.")]
    n_patients: Annotated[_Count | None, Meta(description="Patients behind the number; null where not known.")]
    test: Annotated[ResultTest | None, Meta(description="Test of a difference of two models; null for none.")]
    synthetic: Annotated[bool, Meta(description="Whether any image behind the number is synthetic.")]
    of_the_paper: Annotated[bool, Meta(description="Whether the paper states the number, instead of this run.")]


class Results(_Struct, frozen=True, kw_only=True):
    """All numbers of all tables of a run of oncorobust, with their intervals and tests."""

    schema_version: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION, description="Version of this schema.")]
    synthetic: Annotated[bool, Meta(description="Whether the images of any data set are synthetic.")]
    mark: Annotated[str, Meta(description="NOT VALID and the failed checks of the validity gate; empty for none.")]
    data_sets: Annotated[tuple[DataSet, ...], Meta(description="The data sets of the run, in order.")]
    tables: Annotated[tuple[ResultTable, ...], Meta(description="The tables, in order.")]
    numbers: Annotated[tuple[Number, ...], Meta(description="All numbers, in the order of the tables.")]


def results_content(tables: Sequence[Table], *, mark: str) -> dict[str, Any]:
    """Return the content of results.json. mark: of red checks of the validity gate, empty for none."""
    columns = {column.key: column for table in tables for column in table.columns}
    synthetic = {key for key, column in columns.items() if column.synthetic}
    results = Results(
        schema_version=SCHEMA_VERSION,
        synthetic=bool(synthetic),
        mark=mark,
        data_sets=tuple(
            DataSet(key=one.key, title=one.title, synthetic=one.synthetic, n_images=one.n_images)
            for one in columns.values()
        ),
        tables=tuple(map(_table, tables)),
        numbers=tuple(_number(cell, table, synthetic) for table in tables for cell in table.cells),
    )
    content: dict[str, Any] = msgspec.to_builtins(results)
    return content


def results_schema() -> dict[str, Any]:
    """Return the JSON schema of results.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Results)}


def _table(table: Table) -> ResultTable:
    fields = tuple(
        ResultField(
            name=one.name,
            heading=f"{one.group}: {one.heading}" if one.group else one.heading,
            unit=_UNITS[one.unit],
            of_the_paper=one.paper,
        )
        for one in table.fields
    )
    return ResultTable(
        name=table.name, caption=table.caption, row_heads=table.row_heads, labels=table.labels, fields=fields
    )


def _number(cell: Cell, table: Table, synthetic: Iterable[str]) -> Number:
    behind = {cell.column, *_compared(cell, table)}
    return Number(
        table=cell.table,
        data_set=cell.column,
        row=cell.row,
        field=cell.field,
        value=cell.value,
        unit=_UNITS[unit_of(table, cell)],
        interval=_interval(cell.interval),
        no_interval=cell.no_interval,
        n_images=cell.n_images,
        n_patients=cell.n_patients,
        test=_test(cell.test),
        synthetic=cell.paper is None and not behind.isdisjoint(synthetic),
        of_the_paper=cell.paper is not None,
    )


def _compared(cell: Cell, table: Table) -> list[str]:
    """Return the data set with which a row compares its own; none in most tables."""
    parts = zip(table.row_heads, cell.row.split(":"), strict=False)
    return [part for head, part in parts if head == NATURAL]


def _interval(found: Interval | None) -> ResultInterval | None:
    if found is None:
        return None
    return ResultInterval(low=found.low, high=found.high, level=found.level, method=found.method)


def _test(found: PairedTest | None) -> ResultTest | None:
    if found is None:
        return None
    return ResultTest(p_value=found.p_value, p_holm=found.p_holm, method=found.method)
