"""The precision guard: what is refused and how it says so, what coarse formats lose, and the search in TF32."""

import keras
import numpy as np
import pytest
from keras import layers
from models import SHAPE, balanced_weights, linear_model, small_convolutional_net

from oncorobust.attacks.coarse_target import CoarseTarget
from oncorobust.attacks.goals import leave
from oncorobust.attacks.linf import Ball, walk
from oncorobust.attacks.target import Target
from oncorobust.backend.fastest_precision import fastest, gradient_seconds
from oncorobust.backend.mixed_precision import computing_in
from oncorobust.backend.precision import (
    check_device_is_float32,
    check_full_float32,
    check_model_is_float32,
)
from oncorobust.backend.runtime import tf32_allowed
from oncorobust.base.errors import InputError

BACKEND = keras.backend.backend()
COARSE = {"tf32": 10, "float16": 10, "bfloat16": 7}


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Round float32 to a shorter mantissa, as tensor cores round the factors of a product."""
    half = np.uint32(1 << (22 - bits))
    mask = np.uint32(0xFFFFFFFF << (23 - bits) & 0xFFFFFFFF)
    return ((values.astype(np.float32).view(np.uint32) + half) & mask).view(np.float32)


def net_of(policy: str, n_classes: int = 2) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, dtype=policy, name="first"),
            layers.Flatten(dtype=policy),
            layers.Dense(n_classes, dtype=policy),
        ]
    )


def test_a_float32_model_on_this_machine_passes():
    check_full_float32(small_convolutional_net())


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_a_coarser_model_is_refused_and_its_first_layer_named(policy):
    with pytest.raises(InputError, match=f"expected a float32 model, got dtype policy {policy} in layer 'first'"):
        check_full_float32(net_of(policy))


def test_a_coarser_layer_deep_inside_is_found():
    inner = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(3, 1), layers.Conv2D(3, 1, dtype="bfloat16", name="inner")]
    )
    outer = keras.Sequential([keras.Input(SHAPE), inner, layers.Flatten(), layers.Dense(2)])
    with pytest.raises(InputError, match="got dtype policy bfloat16 in layer 'inner'"):
        check_model_is_float32(outer)


def test_an_input_that_casts_the_images_is_found():
    model = keras.Sequential([keras.Input(SHAPE, dtype="float16", name="coarse"), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(InputError, match="got dtype policy float16 in layer 'coarse'"):
        check_model_is_float32(model)


def test_a_coarser_variable_is_found_and_a_counter_is_not_one():
    class Shift(layers.Layer):
        def build(self, _):
            self.counter = self.add_weight(name="counter", shape=(), dtype="int32", trainable=False)
            self.shift = self.add_weight(name="shift", shape=(), dtype=self.kind)

        def call(self, x):
            return x + keras.ops.cast(self.shift, "float32")

    for kind in ("float32", "bfloat16"):
        shift = Shift(name="shifter")
        shift.kind = kind
        model = keras.Sequential([keras.Input(SHAPE), shift, layers.Flatten(), layers.Dense(2)])
        if kind == "float32":
            check_model_is_float32(model)
        else:
            with pytest.raises(InputError, match=r"got bfloat16 in variable '.*shifter/shift'"):
                check_model_is_float32(model)


@pytest.mark.parametrize("coarse", COARSE)
@pytest.mark.parametrize(("product", "axes"), [("matrix product", 2), ("convolution", 4)])
def test_a_device_that_rounds_factors_is_refused_with_its_bits(product, axes, coarse):
    bits = COARSE[coarse]
    message = rf"full float32 .* got a {product} with a relative error of .* \(about {bits} bits\): call oncorobust"
    with pytest.raises(InputError, match=message):
        check_device_is_float32(compute=lambda _, values: rounded(values, bits) if values.ndim == axes else values)


def test_a_device_that_gives_nan_is_refused():
    with pytest.raises(InputError, match=r"a matrix product with a relative error of nan \(about 0 bits\)"):
        check_device_is_float32(compute=lambda _, values: np.full_like(values, np.nan))


def test_the_order_of_float32_sums_is_not_taken_for_rounding():
    noise = np.random.default_rng(1)
    check_device_is_float32(compute=lambda _, values: values * (1 + noise.uniform(-1e-6, 1e-6, values.shape)))


def test_the_models_that_are_measured_multiply_by_the_identity():
    outputs = []

    def compute(model, values):
        outputs.append(keras.ops.convert_to_numpy(model(values)))
        np.testing.assert_allclose(outputs[-1], values, rtol=1e-6)
        return outputs[-1]

    check_device_is_float32(compute=compute)
    assert [output.ndim for output in outputs] == [2, 4]


@pytest.mark.parametrize(("policy", "epsilon"), [("bfloat16", 0.001), ("float16", 0.0001)])
def test_a_coarse_model_loses_the_perturbation_that_float32_keeps(policy, epsilon):
    x = np.full((1, *SHAPE), 0.5, dtype=np.float32)
    x_adv = x + np.float32(epsilon)
    fine = net_of("float32")
    coarse = net_of(policy)
    coarse.set_weights(fine.get_weights())

    def change(model: keras.Model) -> float:
        clean, moved = (
            np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(model(one), "float32"))) for one in (x, x_adv)
        )
        return float(np.abs(moved - clean).max())

    assert change(coarse) == 0
    assert change(fine) > epsilon / 10


def tf32_flags() -> tuple[object, ...]:
    match BACKEND:
        case "tensorflow":
            import tensorflow as tf

            return (tf.config.experimental.tensor_float_32_execution_enabled(),)
        case "torch":
            import torch

            return (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
        case _:
            import jax

            ones = np.ones((2, 2), dtype=np.float32)
            return (str(jax.make_jaxpr(lambda a: a @ a)(ones)).count("Precision.HIGH)"),)


@pytest.fixture
def full_float32():
    """Switch TF32 off for one test, as `runtime.prepare` does for a run."""
    match BACKEND:
        case "tensorflow":
            import tensorflow as tf

            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(False)
            yield
            tf.config.experimental.enable_tensor_float_32_execution(before)
        case "torch":
            import torch

            before = torch.backends.cudnn.allow_tf32
            torch.backends.cudnn.allow_tf32 = False
            yield
            torch.backends.cudnn.allow_tf32 = before
        case _:
            import jax

            with jax.default_matmul_precision("highest"):
                yield


def test_tf32_is_allowed_inside_only(full_float32):
    assert not any(tf32_flags())
    with tf32_allowed():
        assert all(tf32_flags())
    assert not any(tf32_flags())


def test_tf32_is_forbidden_again_after_an_exception(full_float32):
    with pytest.raises(ZeroDivisionError), tf32_allowed():
        assert all(tf32_flags())
        raise ZeroDivisionError
    assert not any(tf32_flags())


def test_tf32_is_only_forbidden_afterwards_where_it_was_before(full_float32):
    with tf32_allowed():
        with tf32_allowed():
            pass
        assert all(tf32_flags())


def test_only_the_search_runs_in_tf32(full_float32):
    seen = {}
    target = CoarseTarget(linear_model(balanced_weights()), precision="tf32")

    def watch(name: str) -> None:
        function = getattr(target, name)

        def watched(*arrays):
            seen[name] = all(tf32_flags())
            return function(*arrays)

        setattr(target, name, watched)

    for name in ("_walk", "_gradient", "_logits"):
        watch(name)
    x = np.random.default_rng(0).uniform(0.3, 0.7, (4, *SHAPE)).astype(np.float32)
    goal = leave(target.logits(x).argmax(axis=1), n_classes=2)
    assert walk(target, Ball(x, np.full(4, 0.2), goal), x, rel_eps_step=1.0, max_iter=2).flipped.all()
    target.margin_gradient(x, goal)
    assert seen == {"_walk": True, "_gradient": True, "_logits": False}


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_success_that_float32_does_not_confirm_is_dropped(precision):
    """The search sees a model with a shifted boundary: it claims successes too early, and must go on to real ones."""
    weights = balanced_weights()
    exact, coarse = linear_model(weights), Target(linear_model(weights, bias=-0.3))
    target = CoarseTarget(exact, precision=precision)
    target._walk, target._gradient = coarse._walk, coarse._gradient
    x = np.random.default_rng(0).uniform(0.3, 0.7, (60, *SHAPE)).astype(np.float32)
    scores = (x.astype(np.float64) * weights).sum(axis=(1, 2, 3))
    chosen = scores > 0
    x, scores = x[chosen], scores[chosen]
    ball = Ball(x, np.full(len(x), 0.01), leave(np.ones(len(x), dtype=np.int64), n_classes=2))
    reach = 0.01 * np.abs(weights).sum()
    claimed = walk(coarse, ball, x, rel_eps_step=0.25, max_iter=6).flipped
    found = walk(target, ball, x, rel_eps_step=0.25, max_iter=6)
    np.testing.assert_array_equal(found.flipped, scores < reach)
    np.testing.assert_array_equal(claimed, scores - 0.3 < reach)
    assert claimed.sum() > found.flipped.sum() > 3
    truth = ((found.x_adv.astype(np.float64)) * weights).sum(axis=(1, 2, 3))
    assert (truth[found.flipped] < 0).all()
    wrong = target.margin_gradient(x, ball.goal)[0]
    assert (wrong >= 0).all()


def test_the_first_and_the_last_kernel_stay_float32_whatever_stands_before_them_or_is_frozen():
    parts = [layers.BatchNormalization(), layers.Conv2D(3, 1), layers.Conv2D(3, 1), layers.Flatten(), layers.Dense(2)]
    parts[1].trainable = False
    model = keras.Sequential([keras.Input(SHAPE), *parts])
    with computing_in("mixed", model):
        found = [layer.compute_dtype for layer in model.layers]
    assert found == ["float32", "float32", "bfloat16", "bfloat16", "float32"]
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"float32": 3.0, "tf32": 3.1, "bfloat16": 1.0}, "bfloat16"),
        ({"float32": 3.0, "tf32": 0.9, "bfloat16": 1.0}, "tf32"),
        ({"float32": 3.0, "tf32": 2.9, "bfloat16": 9.0}, "float32"),
        ({"float32": 3.0, "tf32": 3.0, "bfloat16": 2.4}, "float32"),
    ],
)
def test_auto_takes_the_fastest_precision_if_it_gains_enough(seconds, chosen):
    assert fastest(seconds) == chosen


def test_the_measurement_gives_a_time_for_each_precision_and_leaves_full_float32(full_float32):
    found = gradient_seconds()
    assert set(found) == {"float32", "tf32", "bfloat16"}
    assert all(0 < one < 60 for one in found.values())
    assert not any(tf32_flags())
