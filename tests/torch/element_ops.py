"""Operators that see one element at a time, and those that change its type, place or border."""

import math

import torch
import torch.nn.functional as F

from attributes import padded, put
from case import Refused
from layout import FLOATS, INF, is_float, limits, stored


# ---- element by element -------------------------------------------------------------------------

# What PyTorch computes, the units in the last place a kernel may be off, and of what size at least:
# where a formula adds terms that cancel, the units are of the terms.
UNARY = {
    "relu": (lambda x: torch.clamp(x, min=0), 0, 0),
    "relu6": (lambda x: torch.clamp(x, 0, 6), 0, 0),
    "sigmoid": (torch.sigmoid, 8, 0),
    "tanh": (torch.tanh, 8, 0),
    "silu": (F.silu, 10, 0),
    "hardsigmoid": (F.hardsigmoid, 3, 1),
    "hardswish": (F.hardswish, 4, 4),
    "mish": (F.mish, 16, 0),
    "gelu": (F.gelu, 4, 4),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), 4, 4),
    "softplus": (F.softplus, 8, 0),
    "abs": (torch.abs, 0, 0),
    "neg": (torch.neg, 0, 0),
    "sqrt": (torch.sqrt, 1, 0),
    "exp": (torch.exp, 4, 0),
}


def finite_size(data):
    data = data[torch.isfinite(data)]
    return float(data.abs().max()) if data.numel() else 0.0


def unary(case, word, x, shared=False, **attributes):
    data = case.read(x, True)
    if word == "clamp":
        low, high = attributes.get("min"), attributes.get("max")
        if not is_float(x.element):  # a bound beyond the type is the type's own
            least, most = limits(x.element)
            low, high = (v if v is None else min(max(v, least), most) for v in (low, high))
        y, ulps, terms = torch.clamp(data, low, high), 0, 0
    elif word == "leaky_relu":
        slope = attributes.get("slope", 0.01)
        y, terms = F.leaky_relu(data, slope), 0
        ulps = 0 if math.log2(abs(slope) or 1).is_integer() else 2  # the slope as f32, one product
    elif word == "elu":
        alpha = attributes.get("alpha", 1.0)
        y, ulps, terms = F.elu(data, alpha), 8, abs(alpha)
    else:
        compute, ulps, terms = UNARY[word]
        y = compute(data)
    scale = max(x.scale, float(terms))
    name = word
    if word == "gelu_tanh":
        name, attributes = "gelu", {"approximate": "tanh"}
    elif word == "gelu" and case.rng.random() < 0.2:
        attributes = {"approximate": "none"}
    if "min" in attributes or "max" in attributes:
        attributes = {k: v for k, v in attributes.items() if v is not None}
    return case.apply(name, [x], attributes, x.element, y, ulps + x.ulps, scale, shared)


def along_channels(vector, like):
    return vector.reshape([1, -1] + [1] * (like.dim() - 2))


def binary(case, word, a, b, shared=False):
    left, right = case.read(a, True), case.read(b, True)
    per_channel = right.dim() != left.dim()
    if per_channel:
        right = along_channels(right, left) if left.dim() > 1 else right
    y = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "max": torch.maximum,
         "min": torch.minimum}[word](left, right)
    ulps = a.ulps + b.ulps
    scale = 0.0
    if ulps:
        ulps += 1
        reach = (finite_size(left), finite_size(right))
        scale = max(reach[0] * reach[1] if word == "mul" else sum(reach), a.scale, b.scale)
    return case.apply(word, [a, b], {}, a.element, y, ulps, scale, shared)


def prelu(case, x, slope):
    data, factor = case.read(x, True), case.read(slope, True)
    return case.apply("prelu", [x, slope], {}, x.element, F.prelu(data, factor), x.ulps, x.scale)


def batch_norm(case, x, scale, shift, mean, var, epsilon=None, shared=False):
    data = case.read(x, True)
    vectors = [case.read(v, True) for v in (scale, shift, mean, var)]
    eps = 1e-5 if epsilon is None else epsilon
    y = F.batch_norm(data, vectors[2], vectors[3], vectors[0], vectors[1], False, 0.0, eps)
    attributes = {} if epsilon is None else {"epsilon": epsilon}
    exact = eps == 0 and x.ulps == 0  # the deviations are powers of two then
    factor = finite_size(vectors[0] / torch.sqrt(vectors[3] + eps))
    size = (finite_size(data) + finite_size(vectors[2])) * factor + finite_size(vectors[1])
    ulps = 0 if exact else 4 + x.ulps
    return case.apply("batch_norm", [x, scale, shift, mean, var], attributes, x.element, y, ulps,
                      0.0 if exact else max(size, x.scale * factor), shared)


# ---- element types, memory order, borders -------------------------------------------------------

def computing(element):
    return "f64" if element == "f64" else "f32"


def saturated(data, element):
    """To the nearest whole number, even where two are; inside the range; NaN to 0."""
    low, high = limits(element)
    whole = torch.nan_to_num(torch.round(data.to(torch.float64)), 0.0, INF, -INF)
    clamped = torch.clamp(whole, float(low), float(high))
    result = clamped.clamp(max=2.0**62).to(torch.int64)
    return torch.where(clamped >= 2.0**63, torch.full_like(result, high), result)


def convert(case, x, element, shared=False):
    data = case.read(x, True)
    if is_float(element):
        y = data.to(FLOATS[element]).to(torch.float64)
    elif is_float(x.element):
        y = saturated(stored(computing(x.element), data), element)
    else:
        y = stored(element, data)
    return case.apply("convert", [x], {}, element, y, 0, 0.0, shared, True)


def reorder(case, x):
    return case.apply("reorder", [x], {}, x.element, case.read(x, False), write=True)


def pad(case, x, pads, mode="zeros", value=0):
    attributes = {"pad": [tuple(p) for p in pads]}
    if all(b == e for b, e in pads) and case.rng.random() < 0.6:
        put(case, attributes, "pad", [b for b, _ in pads])
    if mode != "zeros" or case.rng.random() < 0.2:
        attributes["mode"] = mode
    if value != 0:
        attributes["value"] = value
    y = padded(case.read(x, False), pads, mode, value)
    if any(size < 1 for size in y.shape):
        raise Refused
    return case.apply("pad", [x], attributes, x.element, y)


# ---- quantisation -------------------------------------------------------------------------------
# PyTorch's quantize_per_tensor multiplies by the reciprocal of the scale; the language divides. The
# two are the same where the scale is a power of two: there PyTorch's must agree (checked below).
# Everything else is the formula of the language, in PyTorch's float32 arithmetic.

TORCH_QUANTIZED = {"u8": torch.quint8, "i8": torch.qint8, "i32": torch.qint32}


def per_channel(numbers, data):
    return along_channels(torch.tensor(numbers, dtype=torch.float64), data) if data.dim() > 1 else \
        torch.tensor(numbers, dtype=torch.float64)


def quantum(scaled, zero_point, element):
    return saturated(torch.round(scaled.to(torch.float64)) + zero_point, element)


def put_quantum(scale, zero_point):
    attributes = {"scale": scale[0] if len(scale) == 1 else list(scale)}
    if any(zero_point):
        attributes["zero_point"] = zero_point[0] if len(zero_point) == 1 else list(zero_point)
    return attributes


def quantize(case, x, element, scale, zero_point):
    kind = FLOATS[computing(x.element)]
    data = case.read(x, True)
    steps = per_channel(scale, data).to(kind)
    y = quantum(data.to(kind) / steps, per_channel(zero_point, data), element)
    if len(scale) == len(zero_point) == 1 and math.log2(scale[0]).is_integer() and \
            kind == torch.float32 and element != "i32" and torch.isfinite(data).all():
        theirs = torch.quantize_per_tensor(data.to(kind), scale[0], zero_point[0],
                                           TORCH_QUANTIZED[element]).int_repr()
        assert torch.equal(theirs.to(torch.int64), y)
    return case.apply("quantize", [x], put_quantum(scale, zero_point), element, y, write=True)


def requantize(case, x, element, scale, zero_point):
    data = case.read(x, False)
    product = data.to(torch.float32) * per_channel(scale, data).to(torch.float32)
    y = quantum(product, per_channel(zero_point, data), element)
    return case.apply("requantize", [x], put_quantum(scale, zero_point), element, y, write=True)


def dequantize(case, x, element, scale, zero_point):
    data = case.read(x, False)
    steps = per_channel(scale, data).to(FLOATS[computing(element)]).to(torch.float64)
    y = (data.to(torch.float64) - per_channel(zero_point, data)) * steps
    return case.apply("dequantize", [x], put_quantum(scale, zero_point), element, y,
                      write=element != "f32" or None)
