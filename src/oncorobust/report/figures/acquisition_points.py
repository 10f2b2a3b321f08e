"""The points of Figure 8 with their sources. Where they stand are the median sizes l_inf and l2 of Table A."""

from collections.abc import Iterator

from oncorobust.report.figures.acquired import NOISE, AcquiredModel, attack_source
from oncorobust.report.figures.series import PointSource, Series, place_text
from oncorobust.report.figures.style import PlotData
from oncorobust.report.tables.acquisition_sources import changed_rows, severity_text
from oncorobust.report.tables.cell import Statistic


def acquisition_series(data: PlotData) -> Iterator[Series]:
    """Yield the series of a data set in Figure 8, without values: each change, noise of its sizes, and the attacks."""
    for model, found in data.acquired.items():
        yield from _changes(data.key, model, found)
        for norm, curve in found.attacks.items():
            source = PointSource(attack_source(data.key, model, data.attack[model], norm)(0.0), "epsilon")
            places = tuple(map(place_text, curve.sizes.tolist()))
            yield Series("Figure 8", f"{model} model, attack, {norm}", data.key, source, None, places)


def _changes(dataset: str, model: str, found: AcquiredModel) -> Iterator[Series]:
    statistics: dict[str, Statistic] = {"": "changed_accuracy"}
    statistics |= {f", noise of equal {norm}": statistic for norm, statistic in NOISE.items()}
    for change in found.changes:
        places = tuple(map(severity_text, change.severities))
        for what, statistic in statistics.items():
            rows = changed_rows(dataset, model, change.name, change.severities[0], statistic)
            name = f"{model} model, {change.name}{what}"
            yield Series("Figure 8", name, dataset, PointSource(rows, "severity"), None, places)
