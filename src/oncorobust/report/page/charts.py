"""The charts of the page: the curves of Figures 2 to 5 and 8, drawn by a script in place of the printed figures.

The values are those of `reports/figures/curves.json`, which the stage `plot` writes of the curves that it draws.
Without scripts, and in print, the page shows the printed figures.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.layout import CURVES


@dataclass(frozen=True)
class ChartsView:
    """Data of the charts as JSON that can stand in a script element, and the numbers of the figures that have one."""

    data: str
    numbers: frozenset[int]


def charts_view(curves: Mapping[str, Any]) -> ChartsView:
    """Return the charts of the page; curves: content of curves.json. Raises InputError where it has no figures."""
    figures = curves.get("figures")
    if not isinstance(figures, dict):
        raise InputError(f"{CURVES}: figures is {type(figures).__name__} (expected panels by the number of a figure)")
    data = json.dumps({"figures": figures}, separators=(",", ":"), ensure_ascii=False)
    return ChartsView(data.replace("<", "\\u003c"), frozenset(map(int, figures)))


def embedded_svg(svg: bytes) -> str:
    """Return an SVG as the source of an HTML image, in which no script runs."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode('ascii')}"


def read_svg(path: str | Path) -> bytes:
    """Read the bytes of an SVG. Raises InputError where the file is missing or not an SVG."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error} (expected an SVG image)") from error
    if b"<svg" not in content[:1000]:
        raise InputError(f"{path}: begins with {content[:8]!r} (expected an SVG image)")
    return content
