"""The paper's Tables 1, 2 and S5 from metrics files, and two more of the strict protocol.

    Table 1   accuracy of the clean-trained model, baseline and attacked, over the attacks and `table_epsilons`
    Table 2   accuracy on all ranked images and without the most sensitive ones, coverage attained, epsilon left out
    Table S5  accuracy under attack before and after adversarial training, at one epsilon
    Table G   the gap between the paper's accuracy under PGD and the strict one, in parts that add up
    Table T   accuracy under threat models that an imaging chain allows, before and after adversarial training

Robust accuracy stands under up to three headings. Predicted labels: attacked away from the model's own prediction,
ART's default and the paper's; with two classes it cannot fall below 1 - clean accuracy, because an attack on an image
that is already wrong corrects it. True labels: the same attacks away from the true label. Strict: the share of images
that are right and that nothing found within epsilon changes. What a run did not measure has no column.

Source: Joel et al., doi 10.1101/2021.01.17.21249704, Tables 1, 2, S5. Values are fractions; `table_text` shows them.
"""

from collections.abc import Sequence

from oncorobust.base.errors import InputError
from oncorobust.report.tables.accuracy import table_1, table_s5
from oncorobust.report.tables.cell import Table
from oncorobust.report.tables.exclusion import table_2
from oncorobust.report.tables.gap import table_g
from oncorobust.report.tables.protocols import attack_protocols, rank_protocols, strict_attacks
from oncorobust.report.tables.sources import Metrics
from oncorobust.report.tables.threats import table_t
from oncorobust.settings.pipeline import Report


def build_tables(
    attack: Metrics, rank: Metrics, *, report: Report, table_epsilons: Sequence[float]
) -> tuple[Table, ...]:
    """Tables 1, 2, S5, G and T from the metrics of `attack` and `rank`, data sets in their order.

    Raises InputError where a metrics file lacks a number or holds other protocols than the rest, or where the two
    models of a data set were attacked on different numbers of images or disagree on being synthetic.
    """
    for dataset, models in attack.items():
        for key in ("n_images", "synthetic"):
            if len({models[model][key] for model in models}) > 1:
                found = {model: models[model][key] for model in models}
                raise InputError(f"expected one {key} for both models, got {found} in reports/{dataset}/*/attack.json")
    protocols = attack_protocols(attack)
    cascade = strict_attacks(attack) if "strict" in protocols else ()
    return (
        table_1(attack, report=report, table_epsilons=table_epsilons, protocols=protocols, cascade=cascade),
        table_2(rank, report=report, protocols=rank_protocols(rank)),
        table_s5(attack, report=report, protocols=protocols, cascade=cascade),
        table_g(attack, report=report, table_epsilons=table_epsilons, protocols=protocols, cascade=cascade),
        table_t(attack, report=report),
    )
