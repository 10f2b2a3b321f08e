"""The validity gate on stored rows: a sound evaluation is green, and each planted defect turns its own check red."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from validity_rows import EPSILONS, N, examined, judged, sound_evidence

from oncorobust.base.errors import InputError
from oncorobust.evaluation.validity import Evidence, checks_from_json, checks_to_json, patient_share, red_names


@pytest.fixture
def sound() -> Evidence:
    return sound_evidence()


def red(evidence: Evidence) -> list[str]:
    return red_names(judged(evidence).values())


def test_a_sound_evaluation_is_green(sound: Evidence) -> None:
    checks = judged(sound)
    assert {one.status for one in checks.values()} == {"green"}
    assert all(one.finding and one.expected for one in checks.values())


def test_the_clean_model_has_no_other_model_to_make_examples_on(sound: Evidence) -> None:
    validity = {key: value for key, value in sound.metrics["validity"].items() if key != "transfer"}
    check = judged(replace(sound, metrics={**sound.metrics, "validity": validity}))["transfer attacks"]
    assert (check.status, check.finding[:14]) == ("not done", "no other model")


def test_a_single_step_stronger_than_iterative_attacks_is_red_and_the_finding_says_by_how_much(sound: Evidence) -> None:
    rows = sound.predictions
    weak = rows["attack"].isin(["bim", "pgd"]) & (rows["attacked_label"] == "true")
    planted = rows.assign(predicted=np.where(weak, rows["label"], rows["predicted"]))
    evidence = replace(sound, predictions=planted)
    assert red(evidence) == ["iterative attacks"]
    fgsm = rows[(rows["attack"] == "fgsm") & (rows["attacked_label"] == "true") & (rows["epsilon"] == EPSILONS[-1])]
    points = 100 * (fgsm["predicted"] != fgsm["label"]).mean()
    assert f"{points:.0f} points (95 % CI" in judged(evidence)["iterative attacks"].finding


def test_a_single_step_stronger_on_two_patients_is_within_chance(sound: Evidence) -> None:
    rows = sound.predictions
    few = rows["image_id"].isin(["i00", "i02"]) & rows["attack"].isin(["bim", "pgd"])
    planted = rows.assign(predicted=np.where(few, rows["label"], rows["predicted"]))
    assert judged(replace(sound, predictions=planted))["iterative attacks"].status == "green"


def test_many_more_steps_that_change_the_accuracy_beyond_its_interval_are_red(sound: Evidence) -> None:
    rows = sound.intervals
    last = rows["attack"] == "converged"
    planted = rows.assign(
        last_safe=np.where(last, 0.0001, rows["last_safe"]), first_flipped=np.where(last, 0.001, rows["first_flipped"])
    )
    assert "more steps" in red(replace(sound, intervals=planted))


def test_success_that_falls_with_epsilon_is_red(sound: Evidence) -> None:
    rows = sound.predictions
    largest = (rows["epsilon"] == EPSILONS[-1]) & (rows["attack"] != "none")
    evidence = replace(sound, predictions=rows.assign(predicted=np.where(largest, rows["label"], rows["predicted"])))
    assert "success with epsilon" in red(evidence)
    assert "BIM" in judged(evidence)["success with epsilon"].finding


def test_images_that_no_attack_changes_are_named(sound: Evidence) -> None:
    last = sound.intervals[sound.intervals["attack"] == "converged"]
    stay = last.loc[np.isinf(last["first_flipped"]), "image_id"].tolist()
    finding = judged(sound)["success with epsilon"].finding
    assert f"changed {N - len(stay)} of {N} images up to epsilon 0.04; unchanged: {', '.join(stay)}" in finding
    assert 0 < len(stay) < 10


@pytest.mark.parametrize("before", [np.inf, 0.04])
def test_a_gradient_free_attack_that_is_stronger_is_red(sound: Evidence, before: float) -> None:
    """As for masked gradients: white-box attacks fail and Square succeeds."""
    rows = sound.intervals
    white = rows["attack"].isin(["fgsm", "bim", "pgd", "apgd", "fmn"])
    planted = rows.assign(first_flipped=np.where(white, before, 0.01), last_safe=np.where(white, 0.04, 0.009))
    assert "gradient-free attacks" in red(replace(sound, intervals=planted))


def test_a_gradient_free_attack_that_is_stronger_on_one_image_is_named_and_green(sound: Evidence) -> None:
    rows = sound.intervals
    one = (rows["image_id"] == "i05") & rows["attack"].isin(["square", "converged"])
    planted = rows.assign(
        first_flipped=np.where(one, 0.0001, rows["first_flipped"]), last_safe=np.where(one, 0.0, rows["last_safe"])
    )
    check = judged(replace(sound, intervals=planted))["gradient-free attacks"]
    assert check.status == "green"
    assert check.finding == "1 of 20 patients (0 to 25 %) have such an image under square: i05"


def test_noise_as_strong_as_the_attack_is_red(sound: Evidence) -> None:
    rows = sound.threats
    tied = rows.loc[rows["threat"] == "tied", "flipped"].to_numpy()
    planted = rows.copy()
    planted.loc[rows["threat"] == "noise", "flipped"] = tied
    assert "noise" in red(replace(sound, threats=planted))


def test_noise_that_changes_one_answer_of_two_is_too_little_to_tell(sound: Evidence) -> None:
    few = sound.threats[sound.threats["image_id"].isin(["i00", "i01", "i02", "i03"])]
    intervals = sound.intervals.assign(first_flipped=np.inf)
    intervals.loc[intervals["image_id"] == "i00", "first_flipped"] = 0.02
    planted = few.assign(flipped=(few["image_id"] == "i00") & (few["epsilon"] == 0.02))
    check = judged(replace(sound, threats=planted, intervals=intervals))["noise"]
    assert check.status == "not done"
    assert (
        check.finding
        == "noise changes 1 answers, the attacks 1, of 8 images and epsilons: 2 patients are too few to tell"
    )


@pytest.mark.parametrize("table", ["predictions", "intervals"])
def test_an_attack_that_leaves_the_ball_is_red(sound: Evidence, table: str) -> None:
    rows = getattr(sound, table)
    column, change = ("linf", 1e-4) if table == "predictions" else ("first_flipped", 0.03)
    at = rows.index[(rows["attack"] == "pgd") & np.isfinite(rows[column])][-1]
    planted = rows.copy()
    planted.loc[at, column] += change
    check = judged(replace(sound, **{table: planted}))["ball and box"]
    assert check.status == "red"
    assert check.finding.startswith("1 of ")


def test_an_attack_that_leaves_the_box_is_red(sound: Evidence) -> None:
    assert red(examined(sound, box={"least_pixel": -0.01, "largest_pixel": 1.0})) == ["ball and box"]


def test_last_safe_above_first_flipped_is_red(sound: Evidence) -> None:
    planted = sound.intervals.copy()
    at = planted.index[(planted["attack"] == "converged") & np.isfinite(planted["first_flipped"])][0]
    planted.loc[at, "last_safe"] = 2 * planted.loc[at, "first_flipped"]
    check = judged(replace(sound, intervals=planted))["safe bounds"]
    assert check.status == "red"
    assert check.finding.startswith(f"1 images have last_safe above first_flipped ({planted.loc[at, 'image_id']})")


@pytest.mark.parametrize(("share", "status"), [(0.9, "green"), (1.1, "red")])
def test_a_certified_epsilon_above_a_success_is_red(sound: Evidence, share: float, status: str) -> None:
    certified = share * sound.intervals["first_flipped"].replace(np.inf, 0.0)
    assert judged(replace(sound, intervals=sound.intervals.assign(certified=certified)))["safe bounds"].status == status


def test_answers_that_another_attack_changes_below_last_safe_are_red(sound: Evidence) -> None:
    """A search that calls every epsilon safe is contradicted by the paper's attacks and by the threat models."""
    blind = sound.intervals.assign(first_flipped=np.inf, last_safe=EPSILONS[-1])
    for evidence in (
        replace(sound, intervals=blind, threats=sound.threats.assign(flipped=False)),
        replace(sound, intervals=blind, predictions=sound.predictions[sound.predictions["attack"] == "none"]),
    ):
        assert "safe bounds" in red(evidence)


def test_examples_that_do_not_survive_rounding_are_red(sound: Evidence) -> None:
    rows = sound.threats
    planted = rows.assign(flipped=rows["flipped"] & (rows["threat"] != "stored_8"))
    assert red(replace(sound, threats=planted)) == ["rounding"]


def test_below_one_grey_level_rounding_is_no_fault(sound: Evidence) -> None:
    rows = sound.threats
    small = rows.assign(epsilon=rows["epsilon"] / 10, flipped=rows["flipped"] & (rows["threat"] != "stored_8"))
    assert judged(replace(sound, threats=small))["rounding"].status == "not done"


def test_zero_gradients_are_red(sound: Evidence) -> None:
    assert red(replace(sound, metrics={**sound.metrics, "share_without_gradient": 0.02})) == ["gradients"]


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"share_nan_gradient": 0.5}, "gradients"),
        ({"response": {"median_ratio": 0.0, "share_off": 0.9}}, "response to the gradient"),
        ({"response": {"median_ratio": None, "share_off": 1.0}}, "response to the gradient"),
        ({"repeat_difference": 0.01}, "deterministic answers"),
        ({"batch_difference": float("nan")}, "deterministic answers"),
        ({"probabilities": True}, "logits"),
        ({"precision": "expected a float32 model, got bfloat16"}, "float32"),
        ({"unbounded": {"n_images": 8, "unchanged": ["a", "b", "c"]}}, "unbounded attack"),
        ({"restarts": {"n_images": 8, "changed": ["a", "b", "c", "d"]}}, "more restarts"),
        ({"transfer": {"n_images": 8, "changed": ["a", "b", "c", "d"]}}, "transfer attacks"),
    ],
)
def test_each_measurement_of_an_unsound_model_is_red(sound: Evidence, changed: dict, name: str) -> None:
    assert red(examined(sound, **changed)) == [name]


def test_recorded_answers_that_are_probabilities_are_red(sound: Evidence) -> None:
    scores = np.exp(sound.logits)
    assert red(replace(sound, logits=scores / scores.sum(axis=1, keepdims=True))) == ["logits"]


def test_a_leaked_patient_is_red_and_named(sound: Evidence) -> None:
    index = pd.concat([sound.index, pd.DataFrame({"image_id": ["x"], "patient_id": ["p03"], "split": ["train"]})])
    check = judged(replace(sound, index=index))["patients"]
    assert (check.status, check.finding) == ("red", "1 of 40 patients are in more than one split: p03")


def test_an_attacked_training_image_is_red_and_named(sound: Evidence) -> None:
    index = sound.index.assign(split=np.where(sound.index["image_id"] == "i07", "train", sound.index["split"]))
    check = judged(replace(sound, index=index))["attacked images"]
    assert (check.status, check.finding) == ("red", "1 of 40 attacked images are not: i07")


@pytest.mark.parametrize("kept_by", ["test_accuracy", "robust_accuracy"])
def test_weights_that_were_not_chosen_on_validation_images_are_red(sound: Evidence, kept_by: str) -> None:
    assert red(replace(sound, kept_by=kept_by)) == ["selection"]


def test_weights_chosen_on_no_validation_image_are_red(sound: Evidence) -> None:
    index = sound.index[sound.index["split"] != "validation"]
    assert red(replace(sound, index=index)) == ["selection"]
    assert red(replace(sound, index=index, kept_by="last")) == []


def test_a_training_that_measured_test_images_is_red(sound: Evidence) -> None:
    training = {"best": {"epoch": 3, "test_accuracy": 0.9}}
    check = judged(replace(sound, training=training))["selection"]
    assert check.status == "red"
    assert check.finding.endswith("training.json has best/test_accuracy")


def test_a_model_that_was_trained_elsewhere_has_no_known_selection(sound: Evidence) -> None:
    assert judged(replace(sound, kept_by=None))["selection"].status == "not done"


def test_what_a_run_lacks_is_not_done_with_the_reason(sound: Evidence) -> None:
    without = replace(
        sound,
        predictions=sound.predictions[sound.predictions["attack"] == "none"],
        intervals=sound.intervals.iloc[:0],
        threats=sound.threats.iloc[:0],
        metrics={"share_without_gradient": 0.0, "epsilons": []},
    )
    checks = judged(without)
    assert {name for name, one in checks.items() if one.status == "green"} == {
        "gradients",
        "logits",
        "patients",
        "attacked images",
        "selection",
    }
    assert red_names(checks.values()) == []
    assert checks["noise"].finding == "the strict protocol was not run, or not with the threat noise"


def test_the_share_of_patients_has_the_interval_of_clopper_and_pearson() -> None:
    share = patient_share(np.array([True, True, False, False]), ["a", "a", "b", "c"], level=0.95)
    assert (share.n_with, share.n_patients) == (1, 3)
    assert share.low == pytest.approx(1 - 0.975 ** (1 / 3))  # of 1 in n: 1 - (1 - alpha / 2)^(1 / n)
    assert share.high == pytest.approx(0.9057007)  # tables of Clopper and Pearson for 1 of 3


def test_the_checks_are_read_back_as_written(sound: Evidence) -> None:
    checks = tuple(judged(sound).values())
    assert checks_from_json({"checks": checks_to_json(checks)}, where="validity.json") == checks
    with pytest.raises(InputError, match=r"a/validity.json: .*'checks'.* \(expected the checks of a model\)"):
        checks_from_json({}, where="a/validity.json")
    wrong = {"checks": [{"name": "noise", "status": "blue", "finding": "", "expected": ""}]}
    with pytest.raises(InputError, match=r"Invalid enum value 'blue'"):
        checks_from_json(wrong, where="a/validity.json")
