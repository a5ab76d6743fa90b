"""Programs of several statements, which a compiler may fuse."""

import ops
from case import Case, Refused
from draw import (EXACT, activation, attributes_of, bias_of, byte, channels_of, extents_of,
                  float_of, normalised, rank_of, scales, transposed_channels, transposed_of,
                  vector, weight, window_of, zero_points)


def some_conv(case, element="f32", rank=None, x=None, shared=False, constant=0.3):
    rng = case.rng
    rank = rank or rank_of(rng)
    inputs, outputs, groups = channels_of(case)
    if x is not None:
        inputs, groups = x.size("c"), 1
    extents = x.extents() if x is not None else extents_of(rng, rank, 2)
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    if x is None:
        x = activation(case, element, rank, inputs, extents)
    w = weight(case, element, rank, kernel, outputs, inputs // groups, constant=constant)
    b = bias_of(case, element, outputs, False)
    return ops.conv(case, x, w, b, stride, pads, dilation, groups, shared=shared)


def activated(case, x):
    word = case.rng.choice(EXACT + ["silu", "sigmoid", "gelu"]) if x.ulps == 0 else "relu"
    more = {"slope": 0.25} if word == "leaky_relu" else attributes_of(case.rng, word)
    return ops.unary(case, word, x, **more)


def small_kernel(rng, x, rank):
    return [min(size, rng.choice([1, 2, 2, 3])) for size in x.extents()]


def chain(rng, number):
    case = Case(rng, number)
    return CHAINS[number % len(CHAINS)](case)


def conv_norm_relu(case):
    y = some_conv(case, float_of(case.rng))
    return case.returns(activated(case, normalised(case, y)))


def conv_add_relu(case):
    y = some_conv(case, float_of(case.rng))
    sizes = dict(zip(y.type.axes(), [y.size(axis) for axis in y.type.axes()]))
    other = case.input(y.element, sizes, "whole")
    y = ops.binary(case, case.rng.choice(["add", "add", "sub", "max"]), y, other)
    return case.returns(activated(case, y))


def conv_relu_pool(case):
    rng = case.rng
    y = ops.unary(case, "relu", some_conv(case, float_of(rng)))
    kernel = small_kernel(rng, y, len(y.space))
    stride = [rng.choice([1, 2, k]) for k in kernel]
    if rng.random() < 0.7:
        return case.returns(ops.max_pool(case, y, kernel, stride, ceil_mode=rng.random() < 0.3))
    return case.returns(ops.avg_pool(case, y, kernel, stride, include_pad=rng.random() < 0.5))


def pool_conv(case):
    rng = case.rng
    rank = rank_of(rng)
    x = activation(case, float_of(rng), rank, extents=extents_of(rng, rank, 3))
    y = ops.max_pool(case, x, small_kernel(rng, x, rank), [1] * rank)
    return case.returns(some_conv(case, x.element, rank, y))


def conv_conv(case):
    rng = case.rng
    rank = rank_of(rng)
    y = ops.unary(case, "relu6", some_conv(case, float_of(rng), rank))
    if rng.random() < 0.3:
        return case.returns(ops.global_pool(case, some_conv(case, y.element, rank, y), "max"))
    return case.returns(some_conv(case, y.element, rank, y))


def image_conv(case):
    """A photograph's bytes to a normalised image to a convolution."""
    rng = case.rng
    extents = extents_of(rng, 2, 3)
    channels = rng.choice([1, 3, 3, 4])
    x = activation(case, "u8", 2, channels, extents, "all")
    y = ops.convert(case, x, "f32")
    mean = vector(case, "f32", "c", channels, "thousand", 1)
    factor = vector(case, "f32", "c", channels, "powers", 1)
    y = ops.binary(case, "mul", ops.binary(case, "sub", y, mean), factor)
    return case.returns(some_conv(case, "f32", 2, y))


def conv_requantize(case):
    rng = case.rng
    rank = rank_of(rng)
    elements = rng.choice(["u8", "i8"]), rng.choice(["u8", "i8", "i8"])
    inputs, outputs, groups = channels_of(case)
    extents = extents_of(rng, rank)
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    x = activation(case, elements[0], rank, inputs, extents, "all")
    w = weight(case, elements[1], rank, kernel, outputs, inputs // groups, "all")
    b = bias_of(case, "i32", outputs, False, "thousand")
    y = ops.conv(case, x, w, b, stride, pads, dilation, groups, x_zero=byte(rng, elements[0]),
                 w_zero=zero_points(rng, elements[1], outputs))
    if rng.random() < 0.3:
        y = ops.unary(case, "relu", y)
    factor = [step / 64 for step in scales(rng, outputs)]
    if rng.random() < 0.2:
        return case.returns(ops.dequantize(case, y, "f32", [factor[0]], [0]))
    to = rng.choice(["u8", "i8"])
    return case.returns(ops.requantize(case, y, to, factor, [byte(rng, to)]))


def quantize_conv(case):
    """Floats in, floats out, bytes between."""
    rng = case.rng
    rank = rank_of(rng)
    extents = extents_of(rng, rank)
    inputs, outputs, groups = channels_of(case)
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    x = activation(case, "f32", rank, inputs, extents, "eighths")
    zero = byte(rng, "u8")
    q = ops.quantize(case, x, "u8", [0.25], [zero])
    w = weight(case, "i8", rank, kernel, outputs, inputs // groups, "all")
    y = ops.conv(case, q, w, None, stride, pads, dilation, groups, x_zero=zero)
    return case.returns(ops.dequantize(case, y, "f32", [0.0625], [0]))


def transposed_relu(case):
    rng = case.rng
    rank = rank_of(rng)
    element = float_of(rng)
    inputs, outputs, groups = transposed_channels(rng)
    kernel, stride, dilation, pads, extra = transposed_of(rng, rank)
    extents = [rng.choice([1, 2, 3, 4, 5]) for _ in range(rank)]
    x = activation(case, element, rank, inputs, extents)
    w = weight(case, element, rank, kernel, outputs, inputs)
    y = ops.conv_transpose(case, x, w, None, stride, pads, extra, dilation, groups)
    return case.returns(activated(case, y))


def two_results(case):
    """A value that is read twice and returned as well."""
    rng = case.rng
    y = some_conv(case, float_of(rng), shared=True)
    a = ops.unary(case, "relu", y)
    b = ops.unary(case, "neg", y)
    return case.returns(a, b, y) if rng.random() < 0.5 else case.returns(ops.binary(case, "max", a, b))


def pad_conv(case):
    rng = case.rng
    rank = rank_of(rng)
    x = activation(case, float_of(rng), rank, extents=extents_of(rng, rank, 3), batch=1)
    pads = [(rng.choice([-1, 0, 1, 2]), rng.choice([0, 1, 2])) for _ in range(rank)]
    mode = rng.choice(["zeros", "reflect", "replicate", "circular"])
    if any(max(b, e) >= size + min(b, 0) for (b, e), size in zip(pads, x.extents())):
        raise Refused
    return case.returns(some_conv(case, x.element, rank, ops.pad(case, x, pads, mode)))


def elementwise_chain(case):
    rng = case.rng
    y = activation(case, float_of(rng), rank_of(rng), rule=rng.choice(["whole", "special"]))
    for _ in range(rng.choice([2, 3, 4])):
        word = rng.choice(EXACT[:5] + ["add", "max", "mul"])
        if word in EXACT:
            y = ops.unary(case, word, y, **attributes_of(rng, word))
        else:
            y = ops.binary(case, word, y, vector(case, y.element, "c", y.size("c")))
    return case.returns(y)


def narrow_to_wide(case):
    """bf16 and f16 through a convolution and back to another type."""
    rng = case.rng
    y = some_conv(case, rng.choice(["f16", "bf16"]))
    return case.returns(ops.convert(case, ops.unary(case, "relu", y),
                                    rng.choice(["f32", "bf16", "f16", "i8"])))


CHAINS = [conv_norm_relu, conv_add_relu, conv_relu_pool, pool_conv, conv_conv, image_conv,
          conv_requantize, conv_requantize, quantize_conv, transposed_relu, two_results, pad_conv,
          elementwise_chain, narrow_to_wide, conv_norm_relu, conv_relu_pool]
