"""All tables of a run from its metrics: the paper's Tables 1, 2 and S5, and our Tables G, T, E, M, N, R, D and V.

    Table 1   accuracy of the clean model, without attack and under each attack at each of `table_epsilons`
    Table 2   accuracy on all ranked images and without the most sensitive ones, coverage, threshold epsilon
    Table S5  accuracy under attack before and after adversarial training, at one epsilon
    Table G   the gap between the paper's accuracy under PGD and the strict accuracy, in parts that add up
    Table T   accuracy under threat models of an imaging chain, before and after adversarial training
    Table E   sensitivity, specificity, AUC, flips and calibration of both models, without attack and under attack
    Table M   minimal epsilons of both models as a survival analysis
    Table N   minimal epsilons of medical images against those of natural images
    Table R   selective prediction: scores of certainty compared
    Table D   the scores as rules: guarantee, what minimal epsilon adds to the margin, attacks on the rules
    Table V   accuracy of both models over training seeds

Robust accuracy is measured in up to three ways (`report.measures`). Predicted labels: the attack moves away from the
model's own prediction, as in ART by default and in the paper; with two classes this accuracy cannot fall below
1 - clean accuracy, because an attack on a misclassified image corrects it. True labels: the same attacks move away from
the true label. Strict: the share of the images that are classified correctly and that no attack changes within epsilon.
A measure that a run lacks has no column.

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Tables 1, 2, S5. Values are fractions; `render` shows them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from oncorobust.base.errors import InputError
from oncorobust.base.layout import results_file
from oncorobust.report.tables.accuracy import table_1, table_s5
from oncorobust.report.tables.beyond_accuracy import table_e
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.decision_rules import table_d
from oncorobust.report.tables.exclusion import table_2
from oncorobust.report.tables.gap import table_g
from oncorobust.report.tables.medical_against_natural import table_n
from oncorobust.report.tables.minimal_epsilons import table_m
from oncorobust.report.tables.protocols import attack_protocols, rank_protocols, strict_attacks
from oncorobust.report.tables.selective_prediction import table_r
from oncorobust.report.tables.sources import Metrics
from oncorobust.report.tables.threats import table_t
from oncorobust.report.tables.training_seeds import Repeats, table_v
from oncorobust.settings.attacks import ThreatName
from oncorobust.settings.pipeline import Report

NO_CERTIFICATES: Metrics = MappingProxyType({})
"""Where `certify` is null for all data sets."""


def build_tables(
    attack: Metrics,
    rank: Metrics,
    *,
    report: Report,
    table_epsilons: Sequence[float],
    threats: Sequence[ThreatName] = (),
    certify: Metrics = NO_CERTIFICATES,
) -> tuple[Table, ...]:
    """Return Tables 1, 2, S5, G and T from the metrics of `attack` and `rank`, with data sets in their order.

    threats: threat models that were to be run; Table T lists those that do not apply. certify: certify.json of the
    data sets with certificates.

    Raises InputError where a metrics file lacks a number or holds other protocols than the rest, or where the two
    models of a data set were attacked on different numbers of images or disagree on being synthetic.
    """
    for dataset, models in attack.items():
        for key in ("n_images", "synthetic"):
            if len({models[model][key] for model in models}) > 1:
                found = {model: models[model][key] for model in models}
                raise InputError(
                    f"{results_file(dataset, '*', 'attack.json')}: {key} {found} (expected one for both models)"
                )
    protocols = attack_protocols(attack)
    cascade = strict_attacks(attack) if "strict" in protocols else ()
    return (
        table_1(
            attack,
            report=report,
            certify=certify,
            table_epsilons=table_epsilons,
            protocols=protocols,
            cascade=cascade,
        ),
        table_2(rank, report=report, protocols=rank_protocols(rank)),
        table_s5(attack, report=report, certify=certify, protocols=protocols, cascade=cascade),
        table_g(attack, report=report, table_epsilons=table_epsilons, protocols=protocols, cascade=cascade),
        table_t(attack, report=report, asked=threats),
    )


def evidence_tables(
    attack: Metrics, rank: Metrics, *, report: Report, summaries: Mapping[str, Mapping[str, Any]], repeats: Repeats
) -> tuple[Table, ...]:
    """Return Tables E, M, N, R, D and V, whose values `intervals.with_intervals` computes from the rows.

    summaries: content of summary.json by data set. repeats: training seeds. Raises InputError where `report` names a
    positive class that a data set lacks, or the metrics files hold different protocols.
    """
    protocols = attack_protocols(attack)
    cascade = strict_attacks(attack) if "strict" in protocols else ()
    class_names = {name: summary["class_names"] for name, summary in summaries.items()}
    return (
        table_e(attack, report=report, class_names=class_names, protocols=protocols, cascade=cascade),
        table_m(attack, report=report, cascade=cascade),
        table_n(attack, report=report, summaries=summaries, cascade=cascade),
        table_r(attack, rank, report=report),
        table_d(attack, rank, report=report, seed=repeats.seed),
        table_v(attack, report=report, protocols=protocols, cascade=cascade, repeats=repeats),
    )
