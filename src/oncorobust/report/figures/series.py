"""The points that figures draw, by series, with the source of each; reading and writing them as points.json.

A series is a curve or a set of marks of one data set in one figure. Its points share one source, in which only the
place on the horizontal axis differs, so the source stands once:

    pointer    {epsilon} in it stands for the key of the place's epsilon
    varies     what of the rows' source takes the place: the epsilon, the column `epsilon`, a coverage, an image or the
               severity of a change

`to_tables` gives each figure as a table whose rows are `series:place`, with a cell for each point, so that a point is
found, checked and told as a cell is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import msgspec

from oncorobust.base.epsilons import epsilon_key, epsilon_text
from oncorobust.base.errors import InputError
from oncorobust.base.layout import POINTS
from oncorobust.evaluation.resampling import LEVEL
from oncorobust.report.tables.cell import Cell, Field, Interval, MetricSource, RowsSource, Table, TableColumn, Unit

Varies = Literal["nothing", "epsilon", "where", "coverage", "image_id", "severity"]
"""What of the rows' source takes the place of a point."""

FIELD = "value"
"""The one field of a figure's points."""


@dataclass(frozen=True)
class PointSource:
    """Where the points of a series come from. metrics: None for numbers that come from rows alone."""

    rows: RowsSource
    varies: Varies
    metrics: MetricSource | None = None

    def at(self, place: str) -> tuple[tuple[MetricSource, ...], RowsSource]:
        """Return the sources of the point at a place."""
        metrics: tuple[MetricSource, ...] = () if self.metrics is None else (self.metrics,)
        if self.varies == "nothing":
            return metrics, self.rows
        if self.varies == "image_id":
            return metrics, replace(self.rows, where={**self.rows.where, "image_id": place})
        x = float(place)
        if self.varies == "severity":
            return metrics, replace(self.rows, where={**self.rows.where, "severity": x})
        if self.varies == "coverage":
            return metrics, replace(self.rows, options={**self.rows.options, "coverage": x})
        metrics = tuple(replace(one, pointer=one.pointer.replace("{epsilon}", epsilon_key(x))) for one in metrics)
        if self.varies == "where":
            return metrics, replace(self.rows, where={**self.rows.where, "epsilon": x})
        return metrics, replace(self.rows, epsilon=x)


@dataclass(frozen=True)
class Series:
    """The points of one series: where they are, their values (fractions or epsilons) and their intervals.

    first: source of the first point where it differs from the others, such as the clean accuracy at epsilon 0. places:
    epsilon, coverage, image id or severity of each point, as text. values: null for a mark beyond the axis. low,
    high, methods: of the intervals, empty where no point has one. reasons: why a point has no interval, empty where it
    has one. n_images, n_patients: behind each point. seed, n_draws: of the samples of patients.
    """

    figure: str
    name: str
    dataset: str
    source: PointSource
    first: PointSource | None
    places: tuple[str, ...]
    values: tuple[float | None, ...] = ()
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    methods: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    n_images: tuple[int | None, ...] = ()
    n_patients: tuple[int | None, ...] = ()
    seed: int = 0
    n_draws: int = 0

    def cells(self) -> list[Cell]:
        """Return the points as cells of the figure."""
        return [self._cell(position) for position in range(len(self.places))]

    def _cell(self, at: int) -> Cell:
        source = self.first if self.first is not None and at == 0 else self.source
        metrics, rows = source.at(self.places[at])
        method = _item(self.methods, at)
        interval = None
        if method:
            interval = Interval(self.low[at], self.high[at], LEVEL, method, self.seed, self.n_draws)
        return Cell(
            table=self.figure,
            row=f"{self.name}:{self.places[at]}",
            column=self.dataset,
            field=FIELD,
            value=_item(self.values, at),
            interval=interval,
            no_interval=_item(self.reasons, at) or "",
            n_images=_item(self.n_images, at),
            n_patients=_item(self.n_patients, at),
            metrics=metrics,
            rows=(rows,),
            paper=None,
        )

    def filled(self, cells: Sequence[Cell]) -> "Series":
        """Return the series with the values and intervals of its cells, in order."""
        given = [one.interval for one in cells]
        first = next((one for one in given if one is not None), None)
        ends: dict[str, Any] = (
            {}
            if first is None
            else {
                "low": tuple(None if one is None else one.low for one in given),
                "high": tuple(None if one is None else one.high for one in given),
                "methods": tuple("" if one is None else one.method for one in given),
                "seed": first.seed,
                "n_draws": first.n_draws,
            }
        )
        return replace(
            self,
            values=tuple(one.value for one in cells),
            reasons=tuple(one.no_interval for one in cells),
            n_images=tuple(one.n_images for one in cells),
            n_patients=tuple(one.n_patients for one in cells),
            **ends,
        )


@dataclass(frozen=True)
class Points:
    """All series of all figures. captions: what the figure shows, by its name. units: of its points' values."""

    captions: Mapping[str, str]
    units: Mapping[str, Unit]
    columns: tuple[TableColumn, ...]
    series: tuple[Series, ...]

    def to_tables(self) -> tuple[Table, ...]:
        """Return each figure as a table of its points."""
        return tuple(self._table(name) for name in self.captions)

    def _table(self, name: str) -> Table:
        cells = tuple(cell for one in self.series if one.figure == name for cell in one.cells())
        return Table(
            name=name,
            file=POINTS,
            caption=self.captions[name],
            row_heads=(),
            rows=tuple(dict.fromkeys(one.row for one in cells)),
            data_sets="across",
            columns=self.columns,
            fields=(Field(FIELD, "", FIELD, self.units[name]),),
            cells=cells,
        )


def place_text(x: float) -> str:
    """Return a place on an axis as text that gives the same number again."""
    return text if float(text := epsilon_text(x)) == x else repr(float(x))


def points_to_json(points: Points) -> dict[str, Any]:
    """Return the content of points.json."""
    return asdict(points)


def points_from_json(content: Mapping[str, Any]) -> Points:
    """Return the points that points.json holds. Raises InputError where a key is missing or has another type."""
    try:
        return msgspec.convert({name: content[name] for name in Points.__dataclass_fields__}, Points)
    except (KeyError, msgspec.ValidationError) as error:
        raise InputError(f"{POINTS}: {error!r} (expected the series of the figures)") from error


def row_files(series: Iterable[Series]) -> list[str]:
    """Return the files of rows that some series name, each once."""
    return sorted({one.rows.file for each in series for one in (each.source, each.first) if one is not None})


def _item(items: Sequence[Any], at: int) -> Any:
    return items[at] if items else None
