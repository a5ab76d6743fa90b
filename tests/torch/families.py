"""What is drawn: a function a family, each making one random case."""

import math

import ops
from attributes import span
from case import Case, Refused
from chains import chain
from draw import (EXACT, SMOOTH, SPACE, activation, attributes_of, bias_of, byte, channels_of,
                  extents_of, float_of, normalised, rank_of, scales, transposed_channels,
                  transposed_of, vector, weight, window_of, zero_points)
from layout import INF, is_float


# ---- convolution --------------------------------------------------------------------------------

def conv(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = float_of(rng)
    inputs, outputs, groups = channels_of(case)
    extents = extents_of(rng, rank)
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    special = rng.random() < 0.05
    x = activation(case, element, rank, inputs, extents, "special" if special else "whole")
    w = weight(case, element, rank, kernel, outputs, inputs // groups,
               constant=0 if special else 0.3)
    wide = element in ("f16", "bf16") and rng.random() < 0.3
    b = bias_of(case, element, outputs, wide)
    return case.returns(ops.conv(case, x, w, b, stride, pads, dilation, groups, wide=wide))


def conv_padding(rng, number):
    """The words of pad, and what the padding holds."""
    case = Case(rng, number)
    rank = rank_of(rng)
    element = float_of(rng, 0.1)
    inputs, outputs, groups = channels_of(case)
    extents = extents_of(rng, rank, 2)
    mode = rng.choice(["zeros", "reflect", "replicate", "circular"])
    limit = {"zeros": lambda size: 6, "reflect": lambda size: size - 1,
             "replicate": lambda size: 3, "circular": lambda size: size}[mode]
    kernel, stride, dilation, pads = window_of(rng, rank, extents, limit)
    rule = rng.choice(["valid", "same", "same_upper", "same_lower"]) if mode == "zeros" or \
        rng.random() < 0.2 else None
    if rule == "same":
        stride = [1] * rank
    if rule:
        pads = [(0, 0)] * rank
        if mode != "zeros" and any(span(k, d) > size for k, d, size
                                   in zip(kernel, dilation, extents)):
            raise Refused
    if rule == "valid" and any(span(k, d) > size for k, d, size in zip(kernel, dilation, extents)):
        raise Refused
    batch = rng.choice([1, 2])
    x = activation(case, element, rank, inputs, extents, batch=batch)
    w = weight(case, element, rank, kernel, outputs, inputs // groups)
    b = bias_of(case, element, outputs, False)
    return case.returns(ops.conv(case, x, w, b, stride, pads, dilation, groups, mode, rule))


def conv_transpose(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = float_of(rng)
    inputs, outputs, groups = transposed_channels(rng)
    kernel, stride, dilation, pads, extra = transposed_of(rng, rank)
    extents = [rng.choice([1, 2, 3, 4, 5, 7]) for _ in range(rank)]
    x = activation(case, element, rank, inputs, extents)
    w = weight(case, element, rank, kernel, outputs, inputs)
    wide = element in ("f16", "bf16") and rng.random() < 0.3
    b = bias_of(case, element, outputs * groups, wide)
    return case.returns(
        ops.conv_transpose(case, x, w, b, stride, pads, extra, dilation, groups, wide=wide))


def conv_bytes(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    elements = rng.choice(["u8", "i8"]), rng.choice(["u8", "i8", "i8"])
    # A sum that wraps needs a bias near the end of the range; few do.
    bias_rule = rng.choice(["thousand", "thousand", "all"])
    if rng.random() < 0.3:
        inputs, outputs, groups = transposed_channels(rng)
        kernel, stride, dilation, pads, extra = transposed_of(rng, rank)
        extents = [rng.choice([1, 2, 3, 4, 5]) for _ in range(rank)]
        x = activation(case, elements[0], rank, inputs, extents, "all")
        w = weight(case, elements[1], rank, kernel, outputs, inputs, "all")
        b = bias_of(case, "i32", outputs * groups, False, bias_rule)
        return case.returns(ops.conv_transpose(
            case, x, w, b, stride, pads, extra, dilation, groups, byte(rng, elements[0]),
            zero_points(rng, elements[1], outputs * groups)))
    inputs, outputs, groups = channels_of(case)
    extents = extents_of(rng, rank)
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    mode = "replicate" if rng.random() < 0.1 else "zeros"
    x = activation(case, elements[0], rank, inputs, extents, "all")
    w = weight(case, elements[1], rank, kernel, outputs, inputs // groups, "all")
    b = bias_of(case, "i32", outputs, False, bias_rule)
    return case.returns(ops.conv(case, x, w, b, stride, pads, dilation, groups, mode,
                                 x_zero=byte(rng, elements[0]),
                                 w_zero=zero_points(rng, elements[1], outputs)))


# ---- pooling ------------------------------------------------------------------------------------

def pool_of(rng, rank, extents):
    kernel, stride, dilation, pads = window_of(rng, rank, extents)
    if rng.random() < 0.5:  # what PyTorch takes itself: even pads, at most half of the kernel
        pads = [(min(b, k // 2),) * 2 for (b, _), k in zip(pads, kernel)]
    if rng.random() < 0.5:
        dilation = [1] * rank
    if rng.random() < 0.4:
        stride = list(kernel)
    return kernel, stride, pads, dilation, rng.random() < 0.4


def pool_rule(rng):
    return rng.choice(["valid", "same", "same_upper", "same_lower"]) if rng.random() < 0.12 else None


def max_pool(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = rng.choice(["f32"] * 8 + ["f64", "f16", "bf16", "i8", "u8", "i32", "i64"])
    rule = rng.choice(["whole", "ties", "special", "above", "zeros"]) if is_float(element) else \
        rng.choice(["ties", "thousand" if element in ("i32", "i64") else "all"])
    extents = extents_of(rng, rank)
    x = activation(case, element, rank, extents=extents, rule=rule)
    kernel, stride, pads, dilation, ceil_mode = pool_of(rng, rank, extents)
    word = pool_rule(rng)
    if word == "same":
        stride = [1] * rank
    indices = rng.random() < 0.5
    y = ops.max_pool(case, x, kernel, stride, pads, dilation, ceil_mode, indices, word)
    return case.returns(*y) if indices else case.returns(y)


def average_pool(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = float_of(rng, 0.15)
    extents = extents_of(rng, rank)
    special = rng.random() < 0.08
    x = activation(case, element, rank, rng.choice([1, 2, 3]), extents,
                   "special" if special else "whole")
    kernel, stride, pads, dilation, ceil_mode = pool_of(rng, rank, extents)
    if rng.random() < 0.3:
        return case.returns(ops.lp_pool(case, x, kernel, stride, pads, dilation, ceil_mode,
                                        rng.choice([1.0, 2.0, 2.0, 3.0, 1.5, 4.0])))
    word = pool_rule(rng)
    if word == "same":
        stride = [1] * rank
    divisor = rng.choice([1, 2, 3, 4, 7, -2]) if rng.random() < 0.25 else None
    return case.returns(ops.avg_pool(case, x, kernel, stride, pads, dilation, ceil_mode,
                                     rng.random() < 0.5, divisor, word))


def whole_pool(rng, number):
    """Global and adaptive pools."""
    case = Case(rng, number)
    rank = rank_of(rng)
    kind = rng.choice(["avg", "max"])
    element = float_of(rng) if kind == "avg" or rng.random() < 0.7 else \
        rng.choice(["i8", "u8", "i32", "i64"])
    rule = rng.choice(["whole", "ties", "special"]) if is_float(element) and kind == "max" else \
        "whole" if is_float(element) else "thousand" if element in ("i32", "i64") else "all"
    x = activation(case, element, rank, rule=rule, batch=rng.choice([1, 1, 2]))
    if rng.random() < 0.35 and is_float(element):
        return case.returns(ops.global_pool(case, x, kind))
    output = [rng.choice([1, 2, 3, 4, 5, size, size + 1]) for size in x.extents()]
    if kind == "max" and rng.random() < 0.5:
        return case.returns(*ops.adaptive_pool(case, x, kind, output, indices=True))
    return case.returns(ops.adaptive_pool(case, x, kind, output))


def unpool(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    batch = rng.choice([1, 1, 2])
    if rng.random() < 0.5:  # after the pooling that gives the places
        extents = [max(size, 2) for size in extents_of(rng, rank)]
        kernel = [rng.choice([2, 2, 3]) if size > 2 else 2 for size in extents]
        pads = [(rng.choice([0, 0, k // 2]),) * 2 for k in kernel]
        stride = list(kernel) if rng.random() < 0.6 else [rng.choice([1, 2, 3]) for _ in kernel]
        x = activation(case, rng.choice(["f32", "f32", "f32", "f64", "bf16"]), rank,
                       extents=extents, rule=rng.choice(["whole", "ties"]), batch=batch)
        largest, at = ops.max_pool(case, x, kernel, stride, pads, indices=True)
        natural = [(size - 1) * s - b - e + k for size, s, (b, e), k
                   in zip(largest.extents(), stride, pads, kernel)]
        if any(abs(n - size) >= s for n, size, s in zip(natural, extents, stride)):
            raise Refused
        y = ops.max_unpool(case, largest, at, kernel, stride, pads, extents)
        return case.returns(y)
    extents = [rng.choice([1, 2, 3, 4, 5]) for _ in range(rank)]
    kernel = [rng.choice([2, 2, 3, 4]) for _ in range(rank)]
    stride = list(kernel) if rng.random() < 0.6 else [rng.choice([1, 2, 3]) for _ in kernel]
    pads = [(rng.choice([0, 0, 1]), rng.choice([0, 0, 1])) for _ in kernel]
    natural = [(size - 1) * s - b - e + k
               for size, s, (b, e), k in zip(extents, stride, pads, kernel)]
    if any(size < 1 for size in natural):
        raise Refused
    size = [n + rng.randint(1 - s, s - 1) for n, s in zip(natural, stride)] \
        if rng.random() < 0.5 else natural
    total = math.prod(size)
    if any(v < 1 for v in size) or total < math.prod(extents) or total % 7 == 0:
        raise Refused
    element = rng.choice(["f32", "f32", "f64", "f16", "i8", "i32"])
    x = activation(case, element, rank, extents=extents, batch=batch)
    at = activation(case, "i64", rank, x.size("c"), extents, f"places {total}", batch=batch)
    return case.returns(
        ops.max_unpool(case, x, at, kernel, stride, pads, None if size == natural else size))


# ---- element by element -------------------------------------------------------------------------

def elementwise(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    if rng.random() < 0.2:
        word, element = rng.choice(EXACT[:5]), rng.choice(["i8", "u8", "i32", "i64"])
        rule = "all"
    else:
        word = rng.choice(EXACT + SMOOTH * 2)
        element = float_of(rng)
        rule = rng.choice(["whole", "special", "eighths"] if word in EXACT else
                          ["special", "eighths", "eighths"] +
                          (["fine", "fine"] if element in ("f32", "f64") else []))
        if word == "sqrt" and rule != "special":
            rule = "positive"
    channels = rng.choice([1, 2, 3]) if word in SMOOTH else None
    x = activation(case, element, rank, channels, rule=rule)
    more = attributes_of(rng, word, not is_float(element))
    return case.returns(ops.unary(case, word, x, **more))


def two_operands(rng, number):
    """Two operands, prelu, batch_norm."""
    case = Case(rng, number)
    rank = rank_of(rng)
    draw = rng.random()
    if draw < 0.2:
        element = float_of(rng)
        x = activation(case, element, rank, rule="special" if rng.random() < 0.1 else "whole")
        slope = vector(case, element, "c", rng.choice([1, x.size("c")]))
        return case.returns(ops.prelu(case, x, slope))
    if draw < 0.45:
        element = float_of(rng)
        return case.returns(normalised(case, activation(case, element, rank, rng.choice([1, 2, 3, 4]))))
    element = rng.choice(["f32"] * 6 + ["f64", "f16", "bf16", "i8", "u8", "i32", "i64"])
    rule = "all" if not is_float(element) else \
        "special" if rng.random() < 0.15 else "whole"
    x = activation(case, element, rank, rule=rule)
    other = vector(case, element, "c", x.size("c"), "whole") if rng.random() < 0.4 else \
        activation(case, element, rank, x.size("c"), x.extents(), rule, x.size("n"))
    return case.returns(ops.binary(case, rng.choice(["add", "sub", "mul", "max", "min"]), x, other))


def conversion(rng, number):
    """convert, reorder, pad."""
    case = Case(rng, number)
    rank = rank_of(rng)
    everything = ["f32", "f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64"]
    element = rng.choice(everything)
    draw = rng.random()
    rule = "whole" if is_float(element) else "all"
    if draw < 0.4:
        to = rng.choice(everything)
        if is_float(element):
            choices = ["eighths", "special"] + (["huge"] if element in ("f32", "f64") else [])
            if element in ("f32", "f64"):
                choices.append("fine")
            rule = rng.choice(choices)
            if rule == "huge" and to in ("f16",):
                rule = "fine"
        elif to in ("f16", "bf16"):
            rule = "thousand" if element in ("i32", "i64") else "all"
        return case.returns(ops.convert(case, activation(case, element, rank, rule=rule), to))
    if draw < 0.6:
        if rng.random() < 0.3:
            sizes = dict(zip("oi" + SPACE[rank], [rng.choice([3, 8, 16]), rng.choice([1, 4, 5])] +
                             [rng.choice([1, 2, 3]) for _ in range(rank)]))
            return case.returns(ops.reorder(case, case.input(element, sizes, rule)))
        return case.returns(ops.reorder(case, activation(case, element, rank, rule=rule)))
    extents = extents_of(rng, rank, 2)
    mode = rng.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
    if element == "i64" and mode != "zeros":
        rule = "thousand"
    pads = []
    for size in extents:
        b = rng.choice([-1, 0, 0, 1, 2, 3])
        e = rng.choice([-1, 0, 1, 2, 3])
        cropped = size + min(b, 0) + min(e, 0)
        limit = {"zeros": 9, "replicate": 9, "reflect": cropped - 1, "circular": cropped}[mode]
        if cropped < 1 or limit < 0:
            raise Refused
        pads.append((min(b, limit), min(e, limit)))
    value = 0
    if mode == "zeros" and rng.random() < 0.5:
        value = rng.choice([1, 3, 7] if element == "u8" else [1, -3, 7])
        if is_float(element) and rng.random() < 0.5:
            value = rng.choice([0.5, -1.25, INF, -INF, float("nan")])
    x = activation(case, element, rank, extents=extents, rule=rule, batch=rng.choice([1, 2]))
    return case.returns(ops.pad(case, x, pads, mode, value))


def zero_points_of(rng, element, channels):
    if element == "i32":
        return [rng.choice([0, 5, -1000])]
    if channels > 1 and rng.random() < 0.3:
        return [byte(rng, element) for _ in range(channels)]
    return [byte(rng, element)]


def quantisation(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = rng.choice(["i8", "u8", "i8", "u8", "i32"])
    draw = rng.random()
    if draw < 0.4:
        x = activation(case, rng.choice(["f32"] * 4 + ["f64", "f16", "bf16"]), rank,
                       rule=rng.choice(["eighths", "eighths", "special"]))
        return case.returns(ops.quantize(case, x, element, scales(rng, x.size("c")),
                                         zero_points_of(rng, element, x.size("c"))))
    if draw < 0.65:
        x = activation(case, element, rank, rule="thousand" if element == "i32" else "all")
        to = rng.choice(["f32"] * 4 + ["f64", "f16", "bf16"])
        return case.returns(ops.dequantize(case, x, to, scales(rng, x.size("c"), to != "f32"),
                                           zero_points_of(rng, element, x.size("c"))))
    start = rng.choice(["i32", "i32", "i32", "i8", "u8"])
    x = activation(case, start, rank, rule=rng.choice(["thousand", "all"]) if start == "i32" else "all")
    factor = scales(rng, x.size("c"))
    if x.data.abs().max() > 1e6:
        factor = [step * 2.0**-24 for step in factor]
    return case.returns(ops.requantize(case, x, element, factor,
                                       zero_points_of(rng, element, x.size("c"))))


# Of each family: how it is drawn and how many cases are kept.
FAMILIES = {
    "conv": (conv, 480),
    "conv_padding": (conv_padding, 200),
    "conv_transpose": (conv_transpose, 280),
    "conv_bytes": (conv_bytes, 260),
    "max_pool": (max_pool, 280),
    "average_pool": (average_pool, 260),
    "whole_pool": (whole_pool, 140),
    "unpool": (unpool, 100),
    "elementwise": (elementwise, 240),
    "two_operands": (two_operands, 200),
    "conversion": (conversion, 240),
    "quantisation": (quantisation, 180),
    "chain": (chain, 352),
}
