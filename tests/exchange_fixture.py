"""One small table with hostile text, the gate of its models, and what is known about one of them."""

from typing import Any

from oncorobust.evaluation.validity import Check
from oncorobust.report.exchange.card_facts import CardFacts
from oncorobust.report.exchange.measured import measured_of
from oncorobust.report.tables.cell import (
    Cell,
    Field,
    Interval,
    MetricSource,
    PairedTest,
    PaperSource,
    RowsSource,
    Table,
    TableColumn,
)
from oncorobust.report.tables.validity import Gate

HOSTILE = "=1+1 <b>50% & $x$_{y}\\end{table}|[a](b)`"
INTERVAL = Interval(0.4, 0.9, 0.95, "BCa bootstrap", 7, 1000)
FIELDS = (
    Field("original_strict", "strict", "original", "percent"),
    Field("adversarially_trained_strict", "strict", "hardened", "percent"),
    Field("difference_strict", "strict", "difference", "points"),
    Field("paper_original", "paper", "original", "percent", paper=True),
)


def small_tables(title: str = HOSTILE, *, synthetic: bool = True) -> tuple[Table, ...]:
    """Table S5 with its baseline and its worst case, Table T with noise and PGD, and Table M without a number."""
    column = TableColumn("ct", title, "CT", 40, synthetic)
    none: dict[str, Any] = {"attack": "none", "epsilon": 0.0, "attacked_label": "none"}
    s5 = [
        *_both("Table S5", "Baseline", "predictions.csv", none, "accuracy", None, (0.75, 0.7)),
        *_both("Table S5", "ALL", "intervals.csv", {"attack": "converged"}, "robust_accuracy", 0.002, (0.25, 0.625)),
        Cell(
            "Table S5", "ALL", "ct", "paper_original", 0.2692, None, "the paper states none", None, None, (), (), PAPER
        ),
    ]
    noise, tied = ({"threat": threat, "epsilon": 0.002} for threat in ("noise", "tied"))
    of_threats = [
        *_both("Table T", "noise:0.002", "threats.csv", noise, "robust_accuracy_threat", None, (0.725, 0.7))[:2],
        *_both("Table T", "tied:0.002", "threats.csv", tied, "robust_accuracy_threat", None, (0.3, 0.6))[:2],
    ]
    s5_rows, t_rows, file = ("Baseline", "ALL"), ("noise:0.002", "tied:0.002"), "reports/tables/{}.csv".format
    return (
        _table("Table S5", file("table_s5"), "Before_and after.", ("Attack",), s5_rows, column, s5),
        _table("Table T", file("threats"), "Threats.", ("Threat", "Epsilon"), t_rows, column, of_threats),
        _table("Table M", file("minimal_epsilons"), "Empty.", (), (), column, []),
    )


def table_c_of_noise() -> Table:
    """Table C of the noise-trained model: without attack, and certified and attacked at epsilon 0.002."""
    column, file = TableColumn("ct", "CT", None, 40, True), "reports/ct/noise/certificates.csv"
    numbers: list[tuple[str, str, Any, float | None, float]] = [
        ("noise:Baseline", "base_accuracy", "base_accuracy", None, 0.8),
        ("noise:Baseline", "accuracy", "smoothed_accuracy", None, 0.775),
        ("noise:Baseline", "abstained", "abstained_share", None, 0.05),
        ("noise:0.002", "certified", "certified_accuracy", 0.002, 0.5),
        ("noise:0.002", "attacked", "smoothed_robust_accuracy", 0.002, 0.55),
    ]
    cells = [
        Cell(
            *("Table C", row, "ct", field, value, INTERVAL, "", 40, 20, ()),
            (RowsSource(file, {"split": "test", "sigma": 0.1}, statistic, 1, epsilon),),
            None,
        )
        for row, field, statistic, epsilon, value in numbers
    ]
    rows, fields = ("noise:Baseline", "noise:0.002"), tuple(Field(one[1], "", one[1], "percent") for one in numbers)
    return Table(
        "Table C",
        "reports/tables/certificates.csv",
        "",
        ("Model", "Epsilon"),
        rows,
        "blocks",
        (column,),
        fields,
        tuple(cells),
    )


def _table(name: str, file: str, caption: str, heads: Any, rows: Any, column: TableColumn, cells: list[Cell]) -> Table:
    return Table(name, file, caption, heads, rows, "blocks", (column,), FIELDS, tuple(cells))


PAPER = PaperSource("oncorobust/report/tables/paper/table_s5.csv", "PGD", "CT")


def _both(
    table: str,
    row: str,
    file: str,
    where: dict[str, Any],
    statistic: Any,
    epsilon: float | None,
    values: tuple[float, float],
) -> list[Cell]:
    """The cells of both models, and of their difference."""
    sources = [
        RowsSource(f"reports/ct/{model}/{file}", where, statistic, 1, epsilon) for model in ("clean", "adversarial")
    ]
    metrics = tuple(MetricSource(f"reports/ct/{model}/attack.json", "/x", 1) for model in ("clean", "adversarial"))
    names = [one.name for one in FIELDS[:3]]
    rows = [(sources[0],), (sources[1],), tuple(sources)]
    numbers = [*values, values[1] - values[0]]
    test = PairedTest(0.01, 0.03, "exact McNemar")
    return [
        Cell(table, row, "ct", name, value, INTERVAL, "", 40, 20, metrics, of, None, test if len(of) == 2 else None)
        for name, value, of in zip(names, numbers, rows, strict=True)
    ]


def small_gates(title: str = HOSTILE, *, red: bool = False) -> tuple[Gate, ...]:
    """One check on each model; red: on the clean one."""
    return tuple(
        Gate(
            "ct", title, model, True, (Check("noise", "red" if red and model == "clean" else "green", "PAT-7", "few"),)
        )
        for model in ("clean", "adversarial")
    )


def small_facts(model: str = "adversarial", title: str = HOSTILE, **changed: Any) -> CardFacts:
    """What is known about a model of the small tables."""
    training = {
        "backend": "tensorflow",
        "parameters": 1234,
        "weights": "none",
        "source": "vgg16",
        "architecture": "VGG16",
        "epochs_run": 2,
        "ended": "all epochs",
        "best": {"epoch": 2, "validation_accuracy": 0.8},
        "last": {"epoch": 2, "validation_accuracy": 0.8},
        "collapsed_epochs": [1],
        "collapsed": False,
    }
    summary = {
        "format": "lidc",
        "synthetic": True,
        "class_names": ["benign", "malignant | =2"],
        "counts": {split: {"benign": 5, "malignant | =2": 4} for split in ("test", "train", "validation")},
        "patients": {"test": 9, "train": 8, "validation": 7},
        "n_images": 27,
        "n_patients": 24,
        "size": 32,
        "channels": 1,
        "intensity_range": [-1000.0, 400.0],
        "intensity_unit": "HU",
    }
    gate = next((one for one in small_gates(title) if one.model == model), None)
    known: dict[str, Any] = {
        "dataset": "ct",
        "title": title,
        "origin": "",
        "model": model,
        "summary": summary,
        "trainings": {"clean": training, "adversarial": training},
        "gate": gate,
        "numbers": measured_of(small_tables(title), "ct", model),
        "md5": "0" * 32,
        "sha256": "f" * 64,
    }
    return CardFacts(**{**known, **changed})
