"""Tables 1, 2, S5, G and T on made-up results: cells by plain pandas, layouts, sources, text, absent protocols."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from results_fixture import CASCADE, DATASETS, TABLE_EPSILONS, THREATS, write_results

from oncorobust.attacks.names import PAPER_ATTACKS
from oncorobust.base.errors import InputError
from oncorobust.report.shown_attacks import ATTACKS, row_place
from oncorobust.report.tables.build import build_tables
from oncorobust.report.tables.cell import Interval, PairedTest, tables_from_json, tables_to_json
from oncorobust.report.tables.numbers import display
from oncorobust.report.tables.render import lay_out, to_frame, to_markdown
from oncorobust.report.tables.row_statistics import read_rows, rows_value, same_number
from oncorobust.report.tables.sources import sum_of_metrics
from oncorobust.settings.pipeline import Column, Report

MODELS = ("clean", "adversarial")
REPORT = Report(
    columns={key: Column(title=one.title, paper=one.paper) for key, one in DATASETS.items()},
    adversarial_training_epsilon=0.002,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    write_results(root)
    return root


def metrics(root, name, datasets=DATASETS):
    return {
        key: {model: json.loads((root / f"reports/{key}/{model}/{name}").read_text()) for model in MODELS}
        for key in datasets
    }


def tables_of(root, **changed):
    contents = {"attack": metrics(root, "attack.json"), "rank": metrics(root, "rank.json"), **changed}
    return build_tables(contents["attack"], contents["rank"], report=REPORT, table_epsilons=TABLE_EPSILONS)


@pytest.fixture(scope="module")
def tables(root):
    return tables_of(root)


@pytest.fixture(scope="module", params=["paper", "strict"])
def alone(request, tmp_path_factory):
    """Results of one protocol: its name and their root."""
    root = tmp_path_factory.mktemp(request.param)
    write_results(root, protocols=(request.param,))
    return request.param, root


def value(table, row, column, field):
    return table.find(row=row, column=column, field=field).value


def accuracy_by_hand(root, dataset, model, **where):
    frame = pd.read_csv(root / f"reports/{dataset}/{model}/predictions.csv")
    for column, wanted in where.items():
        frame = frame.loc[frame[column] == wanted]
    return (frame.label == frame.predicted).sum() / len(frame)


def strict_by_hand(root, dataset, model, attack, epsilon):
    """Images answered right that no attack up to this one changes within epsilon."""
    frame = pd.read_csv(root / f"reports/{dataset}/{model}/intervals.csv")
    frame = frame.loc[frame.attack == attack]
    return len(frame.query("label == predicted and first_flipped > @epsilon")) / len(frame)


def test_names_in_rows_are_text_whatever_they_look_like(tmp_path):
    """A file of more than 262,144 bytes is read in parts, and one part has `true` alone."""
    lines = [f"00{one},NA,0,0,pgd,{'predicted' if one < 9 else 'true'}" for one in range(30_000)]
    path = tmp_path / "predictions.csv"
    path.write_text("\n".join(["image_id,patient_id,label,predicted,attack,attacked_label", *lines, ""]))
    rows = read_rows(path)
    assert rows["attacked_label"].value_counts().to_dict() == {"true": 29_991, "predicted": 9}
    assert (rows["image_id"][7], rows["patient_id"][7]) == ("007", "NA")


def test_table_1_by_plain_pandas(root, tables):
    first = tables[0]
    clean = accuracy_by_hand(root, "lidc", "clean", attack="none")
    assert value(first, "Baseline", "lidc", "accuracy") == clean
    assert value(first, "Baseline", "lidc", "accuracy_true_labels") == clean
    for field, labels in (("accuracy", "predicted"), ("accuracy_true_labels", "true")):
        expected = accuracy_by_hand(root, "mnist", "clean", attack="bim", epsilon=0.006, attacked_label=labels)
        assert value(first, "BIM:0.006", "mnist", field) == expected
    assert value(first, "PGD:0.002", "lidc", "paper") == 0.2692
    assert value(first, "PGD:0.002", "mnist", "paper") == 0.9905
    assert first.find(row="PGD:0.002", column="phantom", field="paper") is None
    assert first.rows[:3] == ("Baseline", "FGSM:0.001", "FGSM:0.002")
    assert first.rows[5] == "PGD:0.001"


def test_table_2_by_plain_pandas(root, tables):
    frame = pd.read_csv(root / "reports/lidc/clean/sensitivity.csv")
    kept = frame[~frame.excluded]
    right, right_kept = (frame.label == frame.predicted).mean(), (kept.label == kept.predicted).mean()
    second = tables[1]
    assert value(second, "lidc", "lidc", "accuracy_all") == right
    assert value(second, "lidc", "lidc", "accuracy_kept") == right_kept
    assert value(second, "lidc", "lidc", "accuracy_change") == pytest.approx(right_kept - right)
    assert value(second, "lidc", "lidc", "coverage") == len(kept) / len(frame)
    assert value(second, "lidc", "lidc", "threshold_epsilon") == frame[frame.excluded].min_epsilon.max()
    assert value(second, "lidc", "lidc", "paper_accuracy_change") == 0.059
    assert value(second, "lidc", "lidc", "paper_threshold_epsilon") == 0.0003
    assert second.find(row="mnist", column="mnist", field="paper_accuracy_all") is None


def test_table_s5_by_plain_pandas(root, tables):
    where = {"attack": "pgd", "epsilon": 0.002, "attacked_label": "true"}
    before, after = (accuracy_by_hand(root, "phantom", model, **where) for model in MODELS)
    third = tables[2]
    assert value(third, "PGD", "phantom", "original_true_labels") == before
    assert value(third, "PGD", "phantom", "adversarially_trained_true_labels") == after
    assert value(third, "PGD", "phantom", "difference_true_labels") == pytest.approx(after - before)
    assert value(third, "BIM", "lidc", "paper_difference") == 0.4114


@pytest.mark.parametrize("dataset", DATASETS)
def test_strict_columns_of_table_1_by_plain_pandas(root, tables, dataset):
    first = tables[0]
    clean = accuracy_by_hand(root, dataset, "clean", attack="none")
    assert value(first, "Baseline", dataset, "accuracy_strict") == clean
    for row, attack in (("FGSM", "fgsm"), ("PGD", "pgd"), ("BIM", "bim"), ("ALL", "paper")):
        for epsilon in TABLE_EPSILONS:
            shown = value(first, f"{row}:{epsilon}", dataset, "accuracy_strict")
            assert shown == strict_by_hand(root, dataset, "clean", attack, epsilon)
    assert first.rows[-4:] == tuple(f"ALL:{epsilon}" for epsilon in TABLE_EPSILONS)
    assert {cell.field for cell in first.cells if cell.row.startswith("ALL")} == {"accuracy_strict"}


def test_strict_columns_of_table_2_by_plain_pandas(root, tables):
    frame = pd.read_csv(root / "reports/lidc/clean/sensitivity.csv")
    kept = frame[~frame.excluded_strict]
    right, right_kept = (frame.label == frame.predicted).mean(), (kept.label == kept.predicted).mean()
    second = tables[1]
    assert value(second, "lidc", "lidc", "accuracy_kept_strict") == right_kept
    assert value(second, "lidc", "lidc", "accuracy_change_strict") == pytest.approx(right_kept - right)
    assert value(second, "lidc", "lidc", "coverage_strict") == len(kept) / len(frame)
    largest = frame[frame.excluded_strict].first_flipped.max()
    assert value(second, "lidc", "lidc", "threshold_epsilon_strict") == largest
    assert value(second, "lidc", "lidc", "threshold_epsilon") != largest


def test_strict_columns_of_table_s5_by_plain_pandas(root, tables):
    third = tables[2]
    for row, attack in (("BIM", "bim"), ("ALL", "paper")):
        before, after = (strict_by_hand(root, "lidc", model, attack, 0.002) for model in MODELS)
        assert value(third, row, "lidc", "original_strict") == before
        assert value(third, row, "lidc", "adversarially_trained_strict") == after
        assert value(third, row, "lidc", "difference_strict") == pytest.approx(after - before)
    assert third.find(row="ALL", column="lidc", field="original") is None


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("epsilon", TABLE_EPSILONS)
def test_the_parts_of_the_gap_by_plain_pandas(root, tables, dataset, epsilon):
    predicted, true = (
        accuracy_by_hand(root, dataset, "clean", attack="pgd", epsilon=epsilon, attacked_label=label)
        for label in ("predicted", "true")
    )
    pgd, square, converged, strict = (
        strict_by_hand(root, dataset, "clean", attack, epsilon) for attack in ("pgd", "square", "converged", "paper")
    )
    expected = {
        "paper_protocol": predicted,
        "labels": true - predicted,
        "restarts": pgd - true,
        "worst_case": square - pgd,
        "steps": converged - square,
        "missed": strict - converged,
        "total": strict - predicted,
        "strict": strict,
    }
    found = {field: value(tables[3], str(epsilon), dataset, field) for field in expected}
    assert found == pytest.approx(expected, abs=1e-12)
    parts = [found[field] for field in ("labels", "restarts", "worst_case", "steps", "missed")]
    assert sum(parts) == pytest.approx(found["total"], abs=1e-12)
    assert value(tables[0], f"ALL:{epsilon}", dataset, "accuracy_strict") == found["strict"]


def test_the_gap_has_parts_to_tell(tables):
    """Golden values of the made-up results, counted once by hand from their rows."""
    lidc = {
        field: round(100 * value(tables[3], "0.004", "lidc", field), 2) for field in ("labels", "worst_case", "total")
    }
    assert lidc == {"labels": -12.5, "worst_case": -2.5, "total": -17.5}


def threat_rows_by_hand(root, dataset, model, threat, epsilon):
    frame = pd.read_csv(root / f"reports/{dataset}/{model}/threats.csv")
    return frame.query("threat == @threat and epsilon == @epsilon")


@pytest.mark.parametrize("dataset", DATASETS)
def test_table_t_by_plain_pandas(root, tables, dataset):
    threats = tables[4]
    places = [(one, epsilon) for one in DATASETS[dataset].threats for epsilon in DATASETS[dataset].threat_epsilons]
    for threat, epsilon in places:
        row = f"{threat}:{epsilon}"
        for model, name in (("clean", "original"), ("adversarial", "adversarially_trained")):
            frame = threat_rows_by_hand(root, dataset, model, threat, epsilon)
            right = frame.query("label == predicted")
            assert value(threats, row, dataset, f"{name}_clean") == len(right) / len(frame)
            assert value(threats, row, dataset, name) == len(right.query("flipped == False")) / len(frame)
            assert value(threats, row, dataset, "n_images") == len(frame)
    assert len({cell.row for cell in threats.cells if cell.column == dataset}) == len(places)


def test_table_t_has_threats_to_compare(tables):
    """Golden values of the made-up results, counted once by hand from their rows."""
    threats = tables[4]
    shown = [100 * value(threats, f"{one}:0.004", "lidc", "original") for one in ("full", "tied", "noise")]
    assert shown == pytest.approx([17.5, 27.5, 75.0])
    assert value(threats, "lesion:0.004", "lidc", "n_images") == 32


def test_rows_of_table_t_are_grouped_by_epsilon_and_only_where_measured(tables):
    threats = tables[4]
    assert threats.rows[:8] == tuple(f"{threat}:0.001" for threat in THREATS)
    assert threats.rows[-3:] == ("tied:0.1", "stored_8:0.1", "noise:0.1")
    layout = lay_out(threats)
    assert len(layout.lines) == 16 + 3 + 5
    assert [line.labels for line in layout.lines[16:18]] == [("MNIST", "tied", "0.1"), ("MNIST", "stored_8", "0.1")]
    assert all(line.texts[0].isdigit() and all(line.texts) for line in layout.lines)
    assert "Threats: full (each channel" in threats.caption and "random noise without a search" in threats.caption


def test_epsilon_in_units_of_each_data_set(tables):
    units = {"lidc": (1400.0, "HU"), "mnist": (255.0, "8-bit grey levels"), "phantom": (255.0, "8-bit grey levels")}
    first, _, s5, gap, threats = (lay_out(table, units) for table in tables)
    assert threats.label_heads == ("Data set", "Threat", "Epsilon", "in units")
    assert threats.lines[8].labels == ("LIDC", "full", "0.004", "5.6 HU")
    assert threats.lines[16].labels == ("MNIST", "tied", "0.1", "25.5 8-bit grey levels")
    assert gap.lines[0].labels == ("LIDC", "0.001", "1.4 HU")
    assert (first, s5) == (lay_out(tables[0]), lay_out(tables[2]))


def test_no_threat_models_leave_a_table_without_rows_that_says_so(root):
    attack = metrics(root, "attack.json")
    for content in attack["phantom"].values():
        del content["threats"]
    threats = tables_of(root, attack=attack)[4]
    assert {cell.column for cell in threats.cells} == {"lidc", "mnist"}
    for content in (*attack["lidc"].values(), *attack["mnist"].values()):
        del content["threats"]
    threats = tables_of(root, attack=attack)[4]
    assert (threats.rows, threats.cells) == ((), ())
    assert "no threat models were run" in to_markdown(threats)
    assert "|" not in to_markdown(threats)
    assert to_frame(threats).empty and "lidc.original_clean" in to_frame(threats)


def test_a_threat_that_only_one_data_set_lacks_is_no_error_and_not_told_where_none_has_it(root):
    attack = metrics(root, "attack.json")
    for content in (content for models in attack.values() for content in models.values()):
        content["threats"].pop("tied")
    threats = tables_of(root, attack=attack)[4]
    assert "full (each channel" in threats.caption and "tied (" not in threats.caption
    assert "; stored_8, stored_12, stored_16 (like tied, and adversarial after rounding" in threats.caption


def test_a_threat_that_was_asked_for_and_does_not_apply_is_named_with_its_reason(root):
    attack = metrics(root, "attack.json")

    def caption():
        rank = metrics(root, "rank.json")
        asked = ("tied", "lesion", "background", "noise")
        return build_tables(attack, rank, report=REPORT, table_epsilons=TABLE_EPSILONS, threats=asked)[4].caption

    assert caption().endswith("Does not apply: lesion and background to MNIST (no lesion box).")
    for content in attack["lidc"].values():
        content["threats"].pop("tied")
    assert "Does not apply: tied to LIDC (colour images); lesion and background to MNIST" in caption()
    for content in (content for models in attack.values() for content in models.values()):
        del content["threats"]
    assert caption().startswith("Empty, because none of the threat models of attacks.strict.threats applies")
    assert "tied to MNIST (colour images)" in caption()


def test_threats_of_two_models_that_differ_are_refused_by_file(root):
    attack = metrics(root, "attack.json")
    del attack["mnist"]["adversarial"]["threats"]["noise"]
    with pytest.raises(
        InputError,
        match=r"reports/mnist/adversarial/attack.json: images and epsilons by threat .* \(expected .*'noise'.* as in "
        r"reports/mnist/clean/attack.json\)",
    ):
        tables_of(root, attack=attack)


def test_an_image_flipped_or_wrong_is_not_robust_under_a_threat(tables):
    cell = tables[4].find(row="tied:0.1", column="mnist", field="original")
    rows = pd.DataFrame(
        {
            "patient_id": ["p0", "p1", "p2", "p3"],
            "label": [0, 1, 1, 0],
            "predicted": [0, 1, 0, 0],
            "threat": "tied",
            "epsilon": 0.1,
            "flipped": [True, False, False, False],
        }
    )
    assert rows_value(cell, {cell.rows[0].file: rows}) == 0.5


def test_one_protocol_alone_leaves_no_trace_of_the_other(alone):
    protocol, root = alone
    first, second, s5, gap, _ = tables_of(root)
    strict = {cell.field for table in (first, second, s5) for cell in table.cells if "strict" in cell.field}
    assert bool(strict) == (protocol == "strict")
    assert any(row.startswith("ALL") for row in (*first.rows, *s5.rows)) == (protocol == "strict")
    for table in (first, second, s5):
        filled = {cell.field for cell in table.cells}
        assert {one.name for one in table.fields} - filled == set(), "no empty columns"
    assert (gap.rows, gap.cells) == ((), ())
    assert [one.n_images for one in second.columns] == [40, 40, 30]
    missing = {"paper": "the strict protocol was not run", "strict": "the paper's protocol was not run"}[protocol]
    assert missing in to_markdown(gap)
    assert "|" not in to_markdown(gap)
    assert to_frame(gap).empty and "lidc.worst_case" in to_frame(gap)


def test_cells_of_one_protocol_are_their_metrics_and_rows(alone):
    _, root = alone
    assert_cells_agree(root, [cell for table in tables_of(root) for cell in table.cells if cell.paper is None])


def test_protocols_that_differ_are_refused_by_file(root):
    attack = metrics(root, "attack.json")
    del attack["mnist"]["adversarial"]["strict"]
    with pytest.raises(
        InputError,
        match=r"reports/mnist/adversarial/attack.json: protocols paper \(expected paper and strict as in "
        r"reports/lidc/clean/attack.json\)",
    ):
        tables_of(root, attack=attack)
    attack["mnist"]["adversarial"]["robust_accuracy"] = {"predicted": {}, "true": {}}
    with pytest.raises(InputError, match=r"reports/mnist/adversarial/attack.json: no protocol \(expected results of"):
        tables_of(root, attack=attack)
    rank = metrics(root, "rank.json")
    del rank["phantom"]["clean"]["strict"]
    with pytest.raises(InputError, match=r"reports/phantom/clean/rank.json: protocols paper \(expected"):
        tables_of(root, rank=rank)


def test_cascades_that_differ_are_refused_by_file(root):
    attack = metrics(root, "attack.json")
    attack["phantom"]["clean"]["strict"]["attacks"] = [*CASCADE[:-2], "paper"]
    with pytest.raises(InputError, match=r"phantom/clean/attack.json: strict attacks .* \(expected .*converged"):
        tables_of(root, attack=attack)
    for models in attack.values():
        for content in models.values():
            content["strict"]["attacks"] = list(CASCADE[:-2])
    with pytest.raises(
        InputError, match=r"clean/attack.json: .*square'\] \(expected fgsm, pgd, bim, and converged or paper last"
    ):
        tables_of(root, attack=attack)


def test_rows_without_the_strict_columns_are_named(root, tables):
    cell = tables[0].find(row="ALL:0.002", column="lidc", field="accuracy_strict")
    rows = {one.file: read_rows(root / one.file).drop(columns="first_flipped") for one in cell.rows}
    with pytest.raises(InputError, match=r"lidc/clean/intervals.csv: columns .* \(expected \['first_flipped'\] too\)"):
        rows_value(cell, rows)


def test_an_image_flipped_exactly_at_epsilon_is_not_robust(tables):
    cell = tables[0].find(row="ALL:0.002", column="lidc", field="accuracy_strict")
    rows = pd.DataFrame(
        {
            "patient_id": ["p0", "p1", "p2", "p3"],
            "label": [0, 1, 1, 0],
            "predicted": [0, 1, 0, 0],
            "first_flipped": [0.002, float("inf"), float("inf"), 0.0021],
            "attack": "paper",
        }
    )
    assert rows_value(cell, {cell.rows[0].file: rows}) == 0.5


def test_every_cell_is_its_metrics_and_its_rows(root, tables):
    ours = [cell for table in tables for cell in table.cells if cell.paper is None]
    assert len(ours) == 3 * (13 * 2 + 17 + 5 + 4 + 3 + 3 * 6 + 4 * 3 + 4 * 8) + (16 + 3 + 5) * 5
    assert_cells_agree(root, ours)


def assert_cells_agree(root, ours):
    files = {one.file for cell in ours for one in (*cell.metrics, *cell.rows)}
    json_files = {file: json.loads((root / file).read_text()) for file in files if file.endswith(".json")}
    csv_files = {file: read_rows(root / file) for file in files if file.endswith(".csv")}
    for cell in ours:
        assert cell.metrics and cell.rows
        assert same_number(cell.value, sum_of_metrics(cell.metrics, json_files))
        assert same_number(cell.value, rows_value(cell, csv_files)), cell


def test_every_cell_has_the_number_of_images_behind_it(root, tables):
    """Counted from the rows: all images, those kept, or those to which a threat applies; unknown for the paper's."""
    assert {cell.n_images for table in tables for cell in table.cells if cell.paper} == {None}
    for field, excluded in (("accuracy_kept", "excluded"), ("accuracy_kept_strict", "excluded_strict")):
        kept = pd.read_csv(root / "reports/lidc/clean/sensitivity.csv").query(f"not {excluded}")
        assert tables[1].find(row="lidc", column="lidc", field=field).n_images == len(kept) < 40
    assert tables[1].find(row="lidc", column="lidc", field="accuracy_all").n_images == 40
    assert tables[0].find(row="ALL:0.002", column="phantom", field="accuracy_strict").n_images == 30
    assert tables[2].find(row="PGD", column="phantom", field="difference").n_images == 30
    lesion = threat_rows_by_hand(root, "lidc", "clean", "lesion", 0.004)
    assert tables[4].find(row="lesion:0.004", column="lidc", field="original").n_images == len(lesion) == 32


def test_cells_over_all_attacked_images_have_the_number_of_their_patients(root, tables):
    rows = pd.read_csv(root / "reports/phantom/clean/predictions.csv", dtype={"patient_id": str})
    patients = rows["patient_id"].nunique()
    assert 1 < patients < 30
    assert tables[0].find(row="ALL:0.002", column="phantom", field="accuracy_strict").n_patients == patients
    assert tables[2].find(row="PGD", column="phantom", field="difference").n_patients == patients
    assert tables[1].find(row="phantom", column="phantom", field="accuracy_kept").n_patients is None


def test_cells_keep_an_interval_and_a_test_in_json(tables):
    interval = Interval(low=0.55, high=0.95, level=0.95, method="bootstrap over patients", seed=3, n_draws=100)
    test = PairedTest(p_value=0.01, p_holm=0.02, method="exact McNemar")
    cell = replace(tables[0].cells[0], interval=interval, no_interval="", n_patients=9, test=test)
    content = json.loads(json.dumps(tables_to_json([replace(tables[0], cells=(cell,))])))
    assert content["cells"][0]["interval"] == {
        "low": 0.55,
        "high": 0.95,
        "level": 0.95,
        "method": "bootstrap over patients",
        "seed": 3,
        "n_draws": 100,
    }
    assert tables_from_json(content)[0].cells == (cell,)


def test_the_shown_attacks_are_the_papers_in_its_order():
    assert tuple(one.name for one in ATTACKS) == PAPER_ATTACKS
    assert [row_place(row) for row in ("Baseline", "PGD:0.002")] == [("Baseline", 0.0), ("PGD", 0.002)]


def test_the_papers_columns_are_marked(tables):
    first, second, _, _, threats = (lay_out(table) for table in tables)
    assert [one.paper for one in first.headings[:4]] == [False, False, False, True]
    assert [one.paper for one in second.headings] == [False] * 9 + [True] * 4
    assert not any(one.paper for one in threats.headings)


def test_every_number_of_the_csv_is_a_cell(tables):
    for table in tables:
        frame = to_frame(table)
        numbers = frame.drop(columns=["row", *(name for name in frame if name.endswith("synthetic"))])
        assert numbers.notna().to_numpy().sum() == len(table.cells)


def test_the_csv_says_which_data_sets_are_synthetic(tables):
    across, rows, *blocks = (to_frame(table) for table in tables)
    for frame in (across, *blocks):
        assert frame["phantom.synthetic"].all()
        assert not frame["lidc.synthetic"].any()
    assert dict(zip(rows["row"], rows["synthetic"], strict=True)) == {"lidc": False, "mnist": False, "phantom": True}


def test_the_papers_numbers_need_the_papers_epsilon(root):
    report = Report(columns=REPORT.columns, adversarial_training_epsilon=0.004)
    tables = build_tables(
        metrics(root, "attack.json"), metrics(root, "rank.json"), report=report, table_epsilons=(0.001, 0.004)
    )
    assert not [cell for cell in tables[2].cells if cell.paper]
    assert {cell.row for cell in tables[0].cells if cell.paper} == {
        "Baseline",
        *(f"{attack}:{epsilon}" for attack in ("FGSM", "PGD", "BIM") for epsilon in (0.001, 0.004)),
    }


def test_an_unnamed_data_set_goes_by_its_key(root):
    report = Report(columns={}, adversarial_training_epsilon=0.002)
    tables = build_tables(
        metrics(root, "attack.json", ["lidc"]),
        metrics(root, "rank.json", ["lidc"]),
        report=report,
        table_epsilons=[0.001],
    )
    assert [one.title for one in tables[0].columns] == ["lidc"]
    assert not [cell for table in tables for cell in table.cells if cell.paper]


def test_no_threshold_where_nothing_is_excluded(root):
    rank = metrics(root, "rank.json")
    del rank["mnist"]["clean"]["threshold_epsilon"]
    tables = build_tables(metrics(root, "attack.json"), rank, report=REPORT, table_epsilons=TABLE_EPSILONS)
    assert tables[1].find(row="mnist", column="mnist", field="threshold_epsilon") is None
    assert pd.isna(to_frame(tables[1]).loc[1, "threshold_epsilon"])


def test_a_missing_epsilon_is_named(root):
    with pytest.raises(InputError, match=r"reports/lidc/clean/attack.json: no 'eps_0_0077' \(expected a number at /"):
        build_tables(
            metrics(root, "attack.json"), metrics(root, "rank.json"), report=REPORT, table_epsilons=[0.001, 0.0077]
        )


def test_synthetic_and_real_models_do_not_mix(root):
    attack = metrics(root, "attack.json")
    attack["phantom"]["adversarial"]["synthetic"] = False
    with pytest.raises(InputError, match=r"reports/phantom/.*: synthetic .* \(expected one for both models\)"):
        build_tables(attack, metrics(root, "rank.json"), report=REPORT, table_epsilons=TABLE_EPSILONS)


def test_json_round_trip(tables):
    assert tables_from_json(json.loads(json.dumps(tables_to_json(tables)))) == tables


def test_cells_json_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"cells.json: .* \(expected the tables and their cells\)"):
        tables_from_json({"tables": [], "cells": [{"table": "Table 1"}]})
    with pytest.raises(InputError, match=r"cells.json: TypeError.* \(expected the tables and their cells\)"):
        tables_from_json({"tables": {"Table 1": {}}, "cells": []})


def test_display_rounds_only_here():
    assert display(0.123456, "percent") == "12.35"
    assert display(0.059, "points") == "+5.90"
    assert display(-0.0397, "points") == "-3.97"
    assert display(-1e-17, "points") == "+0.00"
    assert display(40.0, "count") == "40"
    assert display(0.00001, "epsilon") == "0.00001"
    assert display(0.00123456789, "epsilon") == "0.001235"


def test_layouts(tables):
    first, second, third, gap, _ = (lay_out(table) for table in tables)
    assert [(one.group, one.text) for one in first.headings[:4]] == [
        ("LIDC", "predicted labels"),
        ("LIDC", "true labels"),
        ("LIDC", "strict"),
        ("LIDC", "paper"),
    ]
    assert first.headings[-1].group == "MRI phantom (SYNTHETIC)"
    assert len(first.headings) == 11
    assert [line.labels for line in first.lines[:2]] == [("Baseline", ""), ("FGSM", "0.001")]
    assert (gap.label_heads, gap.lines[4].labels) == (("Data set", "Epsilon"), ("MNIST", "0.001"))
    assert [line.labels for line in second.lines] == [("LIDC",), ("MNIST",), ("MRI phantom (SYNTHETIC)",)]
    assert [line.labels for line in third.lines[:6]] == [
        ("LIDC", "Baseline"),
        ("LIDC", "FGSM"),
        ("LIDC", "PGD"),
        ("LIDC", "BIM"),
        ("LIDC", "ALL"),
        ("MNIST", "Baseline"),
    ]
    assert third.lines[5].texts[-3:] == ("", "", "")


def test_markdown(tables):
    text = to_markdown(tables[0])
    assert text.startswith("**Table 1.** Accuracy (%)")
    assert "Attacked test images: LIDC n = 40; MNIST n = 40; MRI phantom (SYNTHETIC) n = 30." in text
    baseline = next(line for line in text.splitlines() if line.startswith("| Baseline"))
    cells = baseline.split(" | ")
    assert cells[5] == "75.41"
    assert cells[2] == f"{100 * value(tables[0], 'Baseline', 'lidc', 'accuracy'):.2f}"
    assert "MRI phantom (SYNTHETIC)" in to_markdown(tables[2])


def test_markdown_keeps_a_hostile_title_inside_its_cell(root):
    report = Report(columns={"lidc": Column(title="a|b <script>\n*c*", paper=None)}, adversarial_training_epsilon=0.002)
    tables = build_tables(
        metrics(root, "attack.json", ["lidc"]),
        metrics(root, "rank.json", ["lidc"]),
        report=report,
        table_epsilons=[0.001],
    )
    text = to_markdown(tables[1])
    assert r"| a\|b &lt;script> \*c\* |" in text
    assert "<script>" not in text


def test_csv_holds_fractions(tables):
    frame = to_frame(tables[0])
    ours = ("accuracy", "accuracy_true_labels", "accuracy_strict")
    fields = (*(f"{one}{ending}" for one in ours for ending in ("", "_low", "_high")), "paper", "synthetic")
    assert list(frame.columns[:12]) == ["row", *(f"lidc.{field}" for field in fields)]
    assert frame.loc[0, "lidc.paper"] == 0.7541
    assert frame["phantom.paper"].isna().all()
    assert list(to_frame(tables[1])["row"]) == ["lidc", "mnist", "phantom"]
