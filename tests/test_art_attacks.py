"""Every evasion attack of ART on our estimator: docs/reference/art-attacks.md says which run, and why others do not."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import art.attacks.evasion as art
import keras
import numpy as np
import pytest
from art.attacks.attack import EvasionAttack
from keras import layers

from oncorobust.attacks.art_classifier import KerasClassifier

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the table is of TensorFlow"),
    pytest.mark.filterwarnings("ignore"),
]

TABLE = Path(__file__).parents[1] / "docs" / "reference" / "art-attacks.md"
ROWS = re.findall(r"^\| (\w+) \| (yes|no) \| (?:(.*) )?\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
SIZE = 16
X = np.random.default_rng(0).random((4, SIZE, SIZE, 3), dtype=np.float32)
STEPS = {"eps": 0.1, "eps_step": 0.02, "max_iter": 3, "verbose": False}
RESTARTS = STEPS | {"nb_random_init": 1}
QUIET = {"max_iter": 2, "verbose": False}
CARLINI = QUIET | {"binary_search_steps": 1}
OF_FGSM = {"attacker": "fgsm", "max_iter": 1, "eps": 0.1}
SINKHORN = {"conjugate_sinkhorn_max_iter": 3, "projected_sinkhorn_max_iter": 3, "kernel_size": 3}


@pytest.fixture(scope="module")
def classifier() -> KerasClassifier:
    model = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(6, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, one.shape) for one in model.weights])
    return KerasClassifier(model)


def plain(name: str, **settings: object) -> Callable[..., np.ndarray]:
    """An attack away from the labels y, with these settings."""
    return lambda c, y, _: getattr(art, name)(c, **settings).generate(X, y)


def unlabelled(name: str, **settings: object) -> Callable[..., np.ndarray]:
    """An attack away from the model's own predictions."""
    return lambda c, *_: getattr(art, name)(c, **settings).generate(X)


def targeted(name: str, **settings: object) -> Callable[..., np.ndarray]:
    """An attack towards the labels t."""
    return lambda c, _, t: getattr(art, name)(c, **settings).generate(X, t)


def auto_attack(c: KerasClassifier, y: np.ndarray, _: np.ndarray) -> np.ndarray:
    pytest.importorskip("multiprocess")
    apgd = art.AutoProjectedGradientDescent(c, **RESTARTS)
    square = art.SquareAttack(c, eps=0.1, max_iter=5, verbose=False)
    return art.AutoAttack(c, eps=0.1, eps_step=0.02, attacks=[apgd, square]).generate(X, y)


RUN: dict[str, Callable[..., np.ndarray]] = {
    "AutoAttack": auto_attack,
    "AutoConjugateGradient": plain("AutoConjugateGradient", **RESTARTS),
    "AutoProjectedGradientDescent": plain("AutoProjectedGradientDescent", **RESTARTS),
    "BasicIterativeMethod": plain("BasicIterativeMethod", **STEPS),
    "BoundaryAttack": unlabelled("BoundaryAttack", targeted=False, num_trial=2, sample_size=2, init_size=5, **QUIET),
    "CarliniL0Method": plain("CarliniL0Method", **CARLINI),
    "CarliniL2Method": plain("CarliniL2Method", **CARLINI),
    "CarliniLInfMethod": plain("CarliniLInfMethod", **QUIET),
    "DeepFool": unlabelled("DeepFool", **QUIET),
    "ElasticNet": plain("ElasticNet", **CARLINI),
    "FastGradientMethod": plain("FastGradientMethod", eps=0.1),
    "FeatureAdversariesNumpy": lambda c, *_: art.FeatureAdversariesNumpy(c, delta=0.1, layer=0).generate(
        X[:1], X[1:2], maxiter=1, maxfun=1
    ),
    "FrameSaliencyAttack": lambda c, y, _: art.FrameSaliencyAttack(
        c, art.FastGradientMethod(c, eps=0.1), verbose=False
    ).generate(X, y),
    "HopSkipJump": unlabelled("HopSkipJump", max_iter=1, max_eval=10, init_eval=5, init_size=5, verbose=False),
    "MomentumIterativeMethod": plain("MomentumIterativeMethod", **STEPS),
    "NewtonFool": unlabelled("NewtonFool", **QUIET),
    "PixelAttack": lambda c, y, _: art.PixelAttack(c, th=1, es=1, **QUIET).generate(X[:1], y[:1]),
    "ProjectedGradientDescent": plain("ProjectedGradientDescent", **STEPS),
    "ProjectedGradientDescentNumpy": plain("ProjectedGradientDescentNumpy", **STEPS),
    "RescalingAutoConjugateGradient": plain("RescalingAutoConjugateGradient", **RESTARTS),
    "SaliencyMapMethod": plain("SaliencyMapMethod", gamma=0.05, verbose=False),
    "SignOPTAttack": plain("SignOPTAttack", targeted=False, num_trial=3, k=3, query_limit=50, **QUIET),
    "SpatialTransformation": unlabelled(
        "SpatialTransformation", max_translation=10, num_translations=2, max_rotation=10, num_rotations=2, verbose=False
    ),
    "SquareAttack": plain("SquareAttack", eps=0.1, max_iter=5, verbose=False),
    "TargetedUniversalPerturbation": targeted(
        "TargetedUniversalPerturbation", attacker_params={"eps": 0.1, "targeted": True}, **OF_FGSM
    ),
    "ThresholdAttack": lambda c, y, _: art.ThresholdAttack(c, th=1, es=1, **QUIET).generate(X[:1], y[:1]),
    "UniversalPerturbation": plain("UniversalPerturbation", attacker_params={"eps": 0.1}, verbose=False, **OF_FGSM),
    "Wasserstein": plain("Wasserstein", eps=0.1, eps_step=0.05, max_iter=1, verbose=False, **SINKHORN),
    "ZooAttack": plain(
        "ZooAttack",
        max_iter=1,
        nb_parallel=2,
        binary_search_steps=1,
        use_resize=False,
        use_importance=False,
        verbose=False,
    ),
}
"""Attacks that run, with few steps: (classifier, labels, other labels) -> images."""

REFUSED: dict[str, tuple[Callable[..., object], str]] = {
    "AdversarialPatch": (targeted("AdversarialPatch", batch_size=4, **QUIET), "no attribute 'patch'"),
    "AdversarialPatchNumpy": (targeted("AdversarialPatchNumpy", batch_size=4, **QUIET), "no attribute 'patch'"),
    "AdversarialPatchTensorFlowV2": (
        targeted("AdversarialPatchTensorFlowV2", batch_size=4, **QUIET),
        "no attribute '_predict_framework'",
    ),
    "DPatch": (unlabelled("DPatch"), "requires an estimator derived from"),
    "DecisionTreeAttack": (unlabelled("DecisionTreeAttack"), "requires an estimator derived from"),
    "FeatureAdversariesTensorFlowV2": (
        lambda c, *_: art.FeatureAdversariesTensorFlowV2(c, delta=0.1, layer=1, max_iter=2, step_size=0.1).generate(
            X, X
        ),
        "",
    ),
    "GeoDA": (unlabelled("GeoDA", max_iter=300, sub_dim=3, batch_size=4, verbose=False), "np.mat"),
    "HighConfidenceLowUncertainty": (unlabelled("HighConfidenceLowUncertainty"), "requires an estimator derived from"),
    "ProjectedGradientDescentTensorFlowV2": (
        plain("ProjectedGradientDescentTensorFlowV2", **STEPS),
        "no attribute 'all_framework_preprocessing'",
    ),
    "RobustDPatch": (unlabelled("RobustDPatch"), "requires an estimator derived from"),
    "ShadowAttack": (
        lambda c, _, t: art.ShadowAttack(c, nb_steps=2, batch_size=1, verbose=False).generate(X[:1], t[:1]),
        "",
    ),
    "SimBA": (plain("SimBA", **QUIET), "predicting probabilities"),
    "VirtualAdversarialMethod": (unlabelled("VirtualAdversarialMethod", **QUIET), "predicting probabilities"),
    "LaserAttack": (lambda c, *_: art.LaserAttack(c, iterations=1), "laser_generator"),
    "CarliniWagnerASR": (unlabelled("CarliniWagnerASR"), "requires an estimator derived from"),
    "ImperceptibleASR": (lambda c, *_: art.ImperceptibleASR(c, None), "requires an estimator derived from"),
    "LowProFool": (targeted("LowProFool", n_steps=2, importance=np.ones(X[0].size) / X[0].size, verbose=False), ""),
    "MalwareGDTensorFlow": (
        lambda c, *_: art.MalwareGDTensorFlow(c, embedding_weights=np.zeros((3, 3)), param_dic={}).generate(X),
        "original files",
    ),
}
"""Attacks that do not run, each with a part of what it says; the others are for PyTorch, or need another package."""


def test_the_table_lists_every_evasion_attack_of_art_once() -> None:
    attacks = [name for name, one in vars(art).items() if inspect.isclass(one) and issubclass(one, EvasionAttack)]
    assert sorted(name for name, *_ in ROWS) == sorted(attacks)
    assert {name for name, runs, _ in ROWS if runs == "yes"} == set(RUN)
    untried = {name for name, runs, _ in ROWS if runs == "no"} - set(REFUSED)
    assert all("PyTorch" in reason or "not tried" in reason for name, _, reason in ROWS if name in untried)
    assert all(reason for _, runs, reason in ROWS if runs == "no")


@pytest.mark.parametrize("name", RUN)
def test_the_attack_runs_and_stays_in_the_box(name: str, classifier: KerasClassifier) -> None:
    y = np.eye(3, dtype=np.float32)[classifier.predict(X).argmax(axis=1)]
    found = RUN[name](classifier, y, np.roll(y, 1, axis=1))
    assert found.shape[1:] == X.shape[1:]
    assert np.isfinite(found).all()
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", REFUSED)
def test_the_attack_does_not_run_for_the_stated_reason(
    name: str, classifier: KerasClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # GeoDA leaves a file in the current folder
    y = np.eye(3, dtype=np.float32)[classifier.predict(X).argmax(axis=1)]
    attack, said = REFUSED[name]
    with pytest.raises(Exception, match=said):
        attack(classifier, y, np.roll(y, 1, axis=1))


@pytest.mark.parametrize("loss_type", ["cross_entropy", "difference_logits_ratio"])
@pytest.mark.parametrize("name", ["AutoProjectedGradientDescent", "AutoConjugateGradient"])
def test_losses_that_art_computes_itself_are_refused(name: str, loss_type: str, classifier: KerasClassifier) -> None:
    with pytest.raises(ValueError, match="is not supported for the provided estimator"):
        getattr(art, name)(classifier, loss_type=loss_type, **RESTARTS)
