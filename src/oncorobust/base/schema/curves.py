"""Schema of the curves of the figures: curves.json."""

from oncorobust.base import layout
from oncorobust.base.schema.entries import NO_UNIT, VERSION, Document, Key

_PANEL = "figures/<number>/<position>"
_CURVE = f"{_PANEL}/curves/<position>"
_NULL = "null without an interval."

CURVES = Document(
    layout.CURVES,
    "the curves of Figures 2 to 5 and 8, panel by panel",
    (
        VERSION,
        Key(f"{_PANEL}/figure", "integer", NO_UNIT, "Number of the figure."),
        Key(f"{_PANEL}/dataset", "string", NO_UNIT, "Key of the data set in params.yaml."),
        Key(f"{_PANEL}/title", "string", NO_UNIT, "Title of the panel."),
        Key(f"{_PANEL}/x/label", "string", NO_UNIT, "What x is."),
        Key(f"{_PANEL}/x/unit", "string or null", NO_UNIT, "Unit of the upper axis; null for none."),
        Key(f"{_PANEL}/x/scale", "number or null", NO_UNIT, "Epsilon 1 in that unit; null for none."),
        Key(f"{_PANEL}/x/log", "boolean", NO_UNIT, "Whether the axis is logarithmic."),
        Key(f"{_PANEL}/y/label", "string", NO_UNIT, "What y is."),
        Key(f"{_CURVE}/title", "string", NO_UNIT, "Name of the curve."),
        Key(f"{_CURVE}/colour", "string", NO_UNIT, "Colour, as #RRGGBB."),
        Key(f"{_CURVE}/line", "string", NO_UNIT, "Line style, as matplotlib spells it."),
        Key(f"{_CURVE}/width", "number", NO_UNIT, "Width of the line in points."),
        Key(
            f"{_CURVE}/step",
            "string or null",
            NO_UNIT,
            "Where a step curve changes: pre or post; null for lines.",
        ),
        Key(f"{_CURVE}/shown", "boolean", NO_UNIT, "Whether a chart shows the curve at first."),
        Key(f"{_CURVE}/x", "list of numbers", NO_UNIT, "Epsilon, l_2 distance, or coverage in percent."),
        Key(f"{_CURVE}/y", "list of numbers or nulls", "percent", "Accuracy, risk or share of images."),
        Key(f"{_CURVE}/low", "list of numbers or nulls", "percent", f"Lower end of the 95 % interval; {_NULL}"),
        Key(f"{_CURVE}/high", "list of numbers or nulls", "percent", f"Upper end of the 95 % interval; {_NULL}"),
    ),
)
