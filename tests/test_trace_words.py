"""Cells in words: sentences written by hand from what the tables' definitions say, and one for every statistic."""

from dataclasses import replace
from typing import get_args

import pytest

from oncorobust.report.tables.cell import Cell, Interval, MetricSource, PairedTest, PaperSource, RowsSource, Statistic
from oncorobust.report.tables.seed_spread import OF_SEEDS
from oncorobust.report.tables.statistic_names import GroupStatistic
from oncorobust.report.tables.statistic_words import STATISTIC_WORDS
from oncorobust.report.tables.words import cell_words, interval_words, source_words

CLEAN, HARDENED = "reports/lidc/clean/{}", "reports/lidc/adversarial/{}"


def cell(*rows, metrics=(), n_images=12, paper=None, interval=None, reason=""):
    return Cell("T", "r", "lidc", "f", 0.5, interval, reason, n_images, 9, metrics, rows, paper)


def rows(file, where, statistic, sign=1, epsilon=None, **options):
    return RowsSource(file, where, statistic, sign, epsilon, options)


STRICT = rows(HARDENED.format("intervals.csv"), {"attack": "converged"}, "robust_accuracy", 1, 0.002)
UNDER_PGD = {"attack": "pgd", "epsilon": 0.002, "attacked_label": "true"}


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (
            (STRICT, replace(STRICT, file=CLEAN.format("intervals.csv"), sign=-1)),
            "share of the 12 attacked test images that are predicted as labelled and that no attack changes within "
            "epsilon 0.002; adversarial model minus clean model, data set lidc",
        ),
        (
            (replace(STRICT, where={"attack": "bim"}, epsilon=0.00001),),
            "share of the 12 attacked test images that are predicted as labelled and that none of FGSM, BIM changes "
            "within epsilon 0.00001; adversarial model, data set lidc",
        ),
        (
            (rows(CLEAN.format("predictions.csv"), UNDER_PGD, "accuracy"),),
            "share of the 12 attacked test images that are predicted as labelled under PGD away from the true label at "
            "epsilon 0.002; clean model, data set lidc",
        ),
        (
            (rows(CLEAN.format("intervals.csv"), {"attack": "pgd"}, "accuracy"),),
            "share of the 12 attacked test images that are predicted as labelled without attack; clean model, data set "
            "lidc",
        ),
        (
            (
                rows(CLEAN.format("sensitivity.csv"), {}, "accuracy_kept"),
                rows(CLEAN.format("sensitivity.csv"), {}, "accuracy", -1),
            ),
            "share of the images kept, after the most sensitive ones on the grid are excluded, that are predicted as "
            "labelled minus share of the 12 ranked test images that are predicted as labelled without attack; clean "
            "model, data set lidc",
        ),
        (
            (rows(CLEAN.format("threats.csv"), {"threat": "lesion", "epsilon": 0.004}, "robust_accuracy_threat"),),
            "share of the 12 attacked test images to which the threat lesion applies that are predicted as labelled "
            "and that an attack under this threat does not change within epsilon 0.004; clean model, data set lidc",
        ),
        (
            (rows(CLEAN.format("intervals.csv"), {"attack": "converged"}, "sensitivity", 1, 0.002, n_classes=2),),
            "share of the images of the positive class that are predicted as such under the worst attack of the "
            "cascade within epsilon 0.002; clean model, data set lidc",
        ),
        (
            (
                rows(CLEAN.format("intervals.csv"), {"attack": "converged"}, "median_difference", 1, 0.02),
                rows("reports/mnist/clean/intervals.csv", {"attack": "converged"}, "median_difference", 1, 0.3),
            ),
            "median first flipped epsilon of the images predicted as labelled, second group minus first; first group "
            "lidc (clean model), second group mnist (clean model)",
        ),
        (
            (
                rows(CLEAN.format("predictions.csv"), UNDER_PGD, "mean_over_seeds", of="accuracy", training_seed=0),
                rows(
                    "reports/lidc/seeds/1/predictions.csv",
                    {"model": "clean", **UNDER_PGD},
                    "mean_over_seeds",
                    of="accuracy",
                    training_seed=1,
                ),
            ),
            "mean over 2 (0, 1) training seeds of the share of the 12 attacked test images that are predicted as "
            "labelled under PGD away from the true label at epsilon 0.002; clean model, data set lidc",
        ),
    ],
)
def test_what_a_number_is(sources, words):
    assert cell_words(cell(*sources)) == words


def test_a_number_of_the_paper_a_size_and_no_number():
    paper = PaperSource("src/oncorobust/report/tables/paper/table1.csv", "PGD:0.002", "CT")
    words = "number that the paper prints, transcribed in table1: row PGD:0.002, column CT"
    assert cell_words(cell(paper=paper)) == words
    size = [MetricSource("data/processed/lidc/summary.json", f"/counts/train/{name}", 1) for name in ("a", "b")]
    assert cell_words(cell(metrics=tuple(size))) == (
        "number at /counts/train/a + /counts/train/b of data/processed/lidc/summary.json (of a list, its length)"
    )
    assert cell_words(cell(reason="not compared: 32 against 28 pixels")) == (
        "no number: not compared: 32 against 28 pixels"
    )


def test_every_statistic_has_words_and_they_name_what_the_source_gives():
    assert set(STATISTIC_WORDS) | OF_SEEDS == set(get_args(Statistic))
    options = {"score": "margin", "exclude_share": 0.2, "risk": 0.1, "confidence": 0.95, "coverage": 0.8, "column": "c"}
    where = {"attack": "converged", "threat": "tied", "epsilon": 0.002, "sigma": 0.1, "image_id": "a{b}"}
    where |= {"change": "dose_noise", "severity": 10.0}
    for statistic in STATISTIC_WORDS:
        source = rows(CLEAN.format("scores.csv"), where, statistic, 1, 0.002, **options)
        groups = [source] * (2 if statistic in get_args(GroupStatistic) else 1)
        words = cell_words(cell(*groups))
        assert "{" not in words.replace("a{b}", "") and "  " not in words and " ," not in words, words


def test_how_an_interval_was_computed():
    interval = Interval(0.1, 0.9, 0.95, "Wilson with design effect", 7, 10_000)
    found = replace(cell(STRICT, interval=interval), test=PairedTest(0.01, 0.02, "exact McNemar"))
    assert interval_words(found) == (
        "95 % interval: Wilson's interval, with the images divided by the design effect of patients; 9 patients, seed "
        "7, 10000 samples; p value by exact McNemar, adjusted by Holm for the table"
    )
    assert interval_words(cell(STRICT, reason="a count")) == "no interval: a count"


def test_the_terms_of_a_number():
    metric = MetricSource(CLEAN.format("attack.json"), "/clean_accuracy", -1)
    assert source_words(cell(STRICT, metrics=(metric,))) == [
        "- reports/lidc/clean/attack.json /clean_accuracy",
        "+ robust_accuracy at epsilon 0.002 of reports/lidc/adversarial/intervals.csv where attack = converged",
    ]
