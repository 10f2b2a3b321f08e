"""Operators that the program in a .pt2 file may call, by name, and those that tell an export in training mode.

A program names its operators by text. Accepted are ATen operators that compute tensors of tensors and numbers, which
networks are made of, and arithmetic of sizes. Operators that read or write files, take memory addresses, call Python,
compile code or draw random numbers are not in the list.
"""

import re
from collections.abc import Mapping
from typing import Any

from oncorobust.base.errors import InputError

_ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)", re.ASCII)

_SIZES = {
    *(f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "mod", "neg")),
    *("torch.sym_max", "torch.sym_min"),
}

_NETWORKS = """
    linear addmm addbmm baddbmm bmm mm matmul mv dot vdot outer ger einsum tensordot bilinear chain_matmul conv1d
    conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d embedding
    scaled_dot_product_attention lstm gru rnn_tanh rnn_relu
    batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training instance_norm
    group_norm native_group_norm layer_norm native_layer_norm rms_norm _fused_rms_norm dropout
    native_dropout feature_dropout alpha_dropout feature_alpha_dropout
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d
    upsample_linear1d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler grid_sampler_2d
    affine_grid_generator pixel_shuffle pixel_unshuffle channel_shuffle im2col col2im pad constant_pad_nd
    reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d reflection_pad3d replication_pad3d
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish softplus softshrink hardshrink hardtanh
    hardswish hardsigmoid sigmoid log_sigmoid log_sigmoid_forward tanh threshold glu softmax log_softmax
    _softmax _log_softmax special_softmax logit
    add sub rsub mul div true_divide divide multiply subtract floor_divide remainder fmod neg negative pow square sqrt
    rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p abs absolute sign sgn floor ceil round trunc frac sin cos tan
    asin acos atan atan2 arctan2 sinh cosh asinh acosh atanh erf erfc erfinv special_erf special_expit clamp clamp_min
    clamp_max clip maximum minimum fmax fmin where lerp addcmul addcdiv hypot xlogy logaddexp nan_to_num isnan isinf
    isfinite eq ne lt le gt ge logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not
    bitwise_xor __and__ __or__ __xor__ sinc polar view_as_complex view_as_real complex real imag conj conj_physical
    resolve_conj resolve_neg angle
    sum mean amax amin max min argmax argmin prod var std var_mean std_mean norm linalg_vector_norm linalg_norm
    frobenius_norm cumsum cumprod logsumexp any all sort topk argsort median cosine_similarity logcumsumexp
    count_nonzero
    view _unsafe_view reshape view_as reshape_as flatten unflatten permute transpose t numpy_T mT movedim moveaxis
    swapaxes squeeze unsqueeze expand expand_as broadcast_to repeat repeat_interleave tile cat concat stack hstack
    vstack chunk split split_with_sizes tensor_split unbind select slice narrow index index_select index_put gather
    take_along_dim scatter scatter_add slice_scatter select_scatter masked_fill roll flip fliplr flipud rot90 unfold
    as_strided diagonal tril triu meshgrid unsafe_split unsafe_chunk alias contiguous clone copy detach lift_fresh
    lift_fresh_copy to _to_copy type_as zero fill
    arange linspace zeros ones full empty zeros_like ones_like full_like empty_like new_zeros new_ones new_full
    new_empty scalar_tensor eye one_hot
    fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn
    fft_irfftn fft_fftshift fft_ifftshift
    sym_size sym_numel sym_stride
"""
"""Kernels, normalisation, pooling and resizing, activations, arithmetic, reductions, shapes, constants, Fourier
transforms and sizes, one group after the other. An operator that works in place has a _ more at its end."""

_TENSORS = frozenset(_NETWORKS.split())

_DRAWING = """
    bernoulli rand rand_like randn randn_like randint randint_like randperm multinomial normal uniform exponential
    rrelu_with_noise
"""
_RANDOM = frozenset(_DRAWING.split())

_HALF = {6: "float16", 13: "bfloat16"}
"""Numbers of half-precision types in a .pt2 file; its other types are not half-precision floats of PyTorch."""


def check_operator(target: str) -> None:
    """Refuse an operator that is not in the list. Raises InputError naming it."""
    if target in _SIZES:
        return
    found = _ATEN.fullmatch(target)
    name = found.group(1) if found else ""
    plain = name if name.endswith("__") else name.removesuffix("_")
    if plain in _RANDOM:
        raise InputError(
            f"expected a program that repeats its answers, got the operator {target}, which draws random numbers: "
            f"{_EVAL_FIRST}"
        )
    if plain not in _TENSORS:
        raise InputError(f"expected operators of PyTorch that networks are made of, got {shown(target)}")


def check_inference(target: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a call in training mode, and one that computes in half precision.

    arguments: by name, each as in the file, such as {"as_bool": true}. Raises InputError naming the operator.
    """
    name = target.rpartition(".")[0].removesuffix("_")
    probability = _value(arguments, "p" if name.endswith("dropout") else "dropout")
    if (_value(arguments, "train") is True and probability != 0) or _value(arguments, "dropout_p") not in (None, 0):
        raise InputError(f"{_IN_EVALUATION}, got dropout that is active ({target}): {_EVAL_FIRST}")
    # The overload no_stats is also what instance normalisation becomes, which uses no other image.
    if _value(arguments, "training") is True and not target.endswith(".no_stats"):
        raise InputError(
            f"{_IN_EVALUATION}, got {target} with training=True, as batch normalisation by the statistics of the "
            f"batch has: {_EVAL_FIRST}, and give each layer running statistics, as it has by default"
        )
    for argument in arguments.values():
        if half := _HALF.get(argument.get("as_scalar_type", 0)):
            raise InputError(
                f"expected a program in float32, got the operator {target} with type {half}: export the model in "
                "float32 and without autocast"
            )


_IN_EVALUATION = "expected a program that was exported in evaluation mode"
_EVAL_FIRST = "call model.eval() before torch.export.export"


def _value(arguments: Mapping[str, Any], name: str) -> Any:
    return next(iter(arguments[name].values())) if name in arguments else None


def shown(text: object, longest: int = 80) -> str:
    """Quote text of a file for a message, cut to a length."""
    quoted = repr(text)
    return quoted if len(quoted) <= longest else f"{quoted[:longest]}..."
