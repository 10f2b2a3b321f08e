"""Schema of the points that the figures draw, with their sources: points.json."""

from collections.abc import Iterator

from oncorobust.base import layout
from oncorobust.base.schema.entries import EPSILON, NO_UNIT, VERSION, Document, Key

_COLUMN, _SERIES = "columns/<position>", "series/<position>"
_HELD, _NOT_HELD = "series with such a source", "other series"
_MARK = "Whether the images of the data set are synthetic."


def _source(name: str, of: str) -> Iterator[Key]:
    """The keys of one of the two sources of a series."""
    place, when = f"{_SERIES}/{name}", _HELD if name == "first" else ""
    rows, metrics = f"{place}/rows", f"{place}/metrics"
    if name == "first":
        yield Key(place, "null", NO_UNIT, "null where all points have one source.", _NOT_HELD)
    yield Key(f"{place}/varies", "string", NO_UNIT, f"What of the rows' source takes the place of {of}.", when)
    yield Key(f"{rows}/file", "string", NO_UNIT, f"CSV file whose rows give {of}.", when)
    yield Key(f"{rows}/where/<column>", "string or number", NO_UNIT, "Value that selects rows.", _HELD)
    yield Key(f"{rows}/statistic", "string", NO_UNIT, "Statistic of the selected rows.", when)
    yield Key(f"{rows}/epsilon", "number or null", EPSILON, "Epsilon of the statistic; null for none.", when)
    yield Key(f"{rows}/options/<name>", "string or number", NO_UNIT, "What the statistic needs besides rows.", _HELD)
    yield Key(f"{rows}/sign", "integer", NO_UNIT, "Sign with which it enters: always 1.", when)
    yield Key(metrics, "null", NO_UNIT, "null for numbers that come from rows alone.", _NOT_HELD)
    yield Key(f"{metrics}/file", "string", NO_UNIT, f"JSON file that holds {of}.", _HELD)
    yield Key(f"{metrics}/pointer", "string", NO_UNIT, "JSON pointer; {epsilon} stands for the place's key.", _HELD)
    yield Key(f"{metrics}/sign", "integer", NO_UNIT, "Sign with which it enters: always 1.", _HELD)


POINTS = Document(
    layout.POINTS,
    "every point that the figures draw, by series, with its sources",
    (
        VERSION,
        Key("captions/<figure>", "string", NO_UNIT, "What the figure shows."),
        Key("units/<figure>", "string", NO_UNIT, "How the values are shown: percent or epsilon."),
        Key(f"{_COLUMN}/key", "string", NO_UNIT, "Key of a data set in params.yaml."),
        Key(f"{_COLUMN}/title", "string", NO_UNIT, "Title of the data set."),
        Key(f"{_COLUMN}/paper", "string or null", NO_UNIT, "Column of the paper's tables; null for none."),
        Key(f"{_COLUMN}/n_images", "integer", "images", "Number of test images behind the numbers."),
        Key(f"{_COLUMN}/synthetic", "boolean", NO_UNIT, _MARK),
        Key(f"{_SERIES}/figure", "string", NO_UNIT, "Name of the figure."),
        Key(f"{_SERIES}/name", "string", NO_UNIT, "Name of the series."),
        Key(f"{_SERIES}/dataset", "string", NO_UNIT, "Key of the data set."),
        *_source("source", "the points"),
        *_source("first", "the first point"),
        Key(f"{_SERIES}/places", "list of strings", NO_UNIT, "Epsilon, coverage, severity or image id of each point."),
        Key(
            f"{_SERIES}/values",
            "list of numbers or nulls",
            "of the figure",
            "Value of each point; null for none.",
        ),
        Key(f"{_SERIES}/low", "list of numbers or nulls", "of the figure", "Lower ends of the intervals."),
        Key(f"{_SERIES}/high", "list of numbers or nulls", "of the figure", "Upper ends of the intervals."),
        Key(f"{_SERIES}/methods", "list of strings", NO_UNIT, "Method of each interval."),
        Key(f"{_SERIES}/reasons", "list of strings", NO_UNIT, "Why a point has no interval; empty where it has one."),
        Key(f"{_SERIES}/n_images", "list of numbers or nulls", "images", "Images behind each point."),
        Key(f"{_SERIES}/n_patients", "list of numbers or nulls", "patients", "Patients behind each point."),
        Key(f"{_SERIES}/seed", "integer", NO_UNIT, "Seed of the samples of patients."),
        Key(f"{_SERIES}/n_draws", "integer", "samples", "Number of samples of patients."),
    ),
)
