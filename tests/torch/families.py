"""What is drawn: a function a family, each making one random case."""

import ops
from case import Case, Refused

SPACE = {1: "w", 2: "hw", 3: "dhw"}
SMALL = [1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8]
EXTENTS = {1: [1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 31, 37], 2: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13],
           3: [1, 2, 3, 4, 5, 6]}


def rank_of(rng):
    return rng.choice([1, 1, 2, 2, 2, 2, 3])


def extents_of(rng, rank, least=None):
    """Mostly small and prime, sometimes one pixel; the innermost sometimes a few vectors wide."""
    sizes = [rng.choice(EXTENTS[rank]) for _ in range(rank)]
    if rng.random() < 0.2:
        sizes[-1] = rng.choice([16, 17, 23, 29, 33, 35])
    if rng.random() < 0.05:
        sizes = [1] * rank
    return [max(size, least or 1) for size in sizes]


def batch_of(rng):
    return rng.choice([0] + [1] * 20 + [2] * 8 + [3] * 2)


def activation(case, element, rank, channels=None, extents=None, rule="whole", batch=None, **more):
    rng = case.rng
    sizes = {"n": batch_of(rng) if batch is None else batch, "c": channels or rng.choice(SMALL)}
    sizes.update(zip(SPACE[rank], extents or extents_of(rng, rank)))
    return case.input(element, sizes, rule, **more)


def vector(case, element, axis, size, rule="whole", constant=0.3):
    return case.input(element, {axis: size}, rule, order="plain", constant=constant)


def float_of(rng, narrow=0.2):
    draw = rng.random()
    if draw < narrow:
        return rng.choice(["f16", "bf16"])
    return "f64" if draw < narrow + 0.12 else "f32"


# ---- convolution --------------------------------------------------------------------------------

def channels_of(rng):
    """Input channels, output channels, groups."""
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(SMALL + [16]), rng.choice(SMALL + [9, 13, 16, 32]), 1
    groups = rng.choice([2, 3, 4, 5, 8, 16])
    if draw < 0.75:  # depthwise, with a multiplier
        return groups, groups * rng.choice([1, 1, 1, 2, 3]), groups
    return groups * rng.choice([1, 2, 3]), groups * rng.choice([1, 2, 3, 4]), groups


def window_of(rng, rank, extents, pads_to=None):
    """Kernel, stride, dilation and pads that fit; one time in six the kernel is larger than the
    image and only fits the padding."""
    kernel, stride, dilation, pads = [], [], [], []
    wide = rng.random() < 1 / 6
    even_sides = rng.random() < 0.6
    dilated, strided = rng.random() < 0.35, rng.random() < 0.5
    for size in extents:
        k = rng.choice([1, 2, 3, 3, 3, 4, 5, 7])
        d = rng.choice([1, 2, 3]) if dilated else 1
        b = rng.choice([0, 0, 1, 1, 2, 3])
        e = b if even_sides else rng.choice([0, 1, 2, 3])
        limit = pads_to(size) if pads_to else 6
        b, e = min(b, limit), min(e, limit)
        if wide and pads_to is None:
            k = size + rng.choice([1, 2])
            d = 1
            b = max(b, (k - size + 1) // 2)
            e = b if even_sides else max(e, k - size - b)
        while ops.span(k, d) > size + b + e:
            k, d = max(k - 1, 1), max(d - 1, 1)
        kernel.append(k)
        dilation.append(d)
        stride.append(rng.choice([1, 2, 2, 3, k + 1, k + 2]) if strided else 1)
        pads.append((b, e))
    return kernel, stride, dilation, pads


def weight(case, element, rank, kernel, out, inner, rule="whole", constant=0.3):
    sizes = {"o": out, "i": inner}
    sizes.update(zip(SPACE[rank], kernel))
    return case.input(element, sizes, rule, order=weight_order(case), constant=constant)


def weight_order(case):
    return "draw" if case.rng.random() < 0.3 else "plain"


def bias_of(case, element, channels, wide, rule="whole"):
    if case.rng.random() < 0.5:
        return None
    if element in ("f16", "bf16") and (wide or case.rng.random() < 0.5):
        element = "f32"
    return vector(case, element, "o", channels, rule)


def conv(rng, number):
    case = Case(rng, number)
    rank = rank_of(rng)
    element = float_of(rng)
    inputs, outputs, groups = channels_of(rng)
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
    inputs, outputs, groups = channels_of(rng)
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
        if mode != "zeros" and any(ops.span(k, d) > size for k, d, size
                                   in zip(kernel, dilation, extents)):
            raise Refused
    if rule == "valid" and any(ops.span(k, d) > size for k, d, size in zip(kernel, dilation, extents)):
        raise Refused
    batch = rng.choice([1, 2])
    x = activation(case, element, rank, inputs, extents, batch=batch)
    w = weight(case, element, rank, kernel, outputs, inputs // groups)
    b = bias_of(case, element, outputs, False)
    return case.returns(ops.conv(case, x, w, b, stride, pads, dilation, groups, mode, rule))


def transposed_of(rng, rank):
    kernel, stride, dilation, pads, extra = [], [], [], [], []
    even_sides, with_extra = rng.random() < 0.6, rng.random() < 0.4
    for _ in range(rank):
        k, s = rng.choice([1, 2, 3, 3, 4, 5]), rng.choice([1, 2, 2, 3, 4])
        d = rng.choice([1, 1, 1, 2, 3])
        b = rng.choice([0, 0, 1, 2])
        kernel.append(k)
        stride.append(s)
        dilation.append(d)
        pads.append((b, b if even_sides else rng.choice([0, 1, 2, 3])))
        extra.append(rng.randrange(max(s, d)) if with_extra else 0)
    return kernel, stride, dilation, pads, extra


def transposed_channels(rng):
    """All input channels, output channels a group, groups."""
    groups = rng.choice([1, 1, 1, 2, 3, 4, 8])
    return groups * rng.choice([1, 1, 2, 3, 5]), rng.choice([1, 1, 2, 3, 4, 9, 16]), groups


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


def byte(rng, element):
    """A zero point, often at the edge of the type."""
    low, high = ops.limits(element)
    return rng.choice([0, 0, low, high, rng.randint(low, high), rng.randint(low, high)])


def zero_points(rng, element, channels):
    if rng.random() < 0.35:
        return [byte(rng, element) for _ in range(channels)]
    return [byte(rng, element)]


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
    inputs, outputs, groups = channels_of(rng)
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
    rule = rng.choice(["whole", "ties", "special", "above", "zeros"]) if ops.is_float(element) else \
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
    rule = rng.choice(["whole", "ties", "special"]) if ops.is_float(element) and kind == "max" else \
        "whole" if ops.is_float(element) else "thousand" if element in ("i32", "i64") else "all"
    x = activation(case, element, rank, rule=rule, batch=rng.choice([1, 1, 2]))
    if rng.random() < 0.35 and ops.is_float(element):
        return case.returns(ops.global_pool(case, x, kind))
    output = [rng.choice([1, 2, 3, 4, 5, size, size + 1]) for size in x.extents()]
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
    total = ops.math.prod(size)
    if any(v < 1 for v in size) or total < ops.math.prod(extents) or total % 7 == 0:
        raise Refused
    element = rng.choice(["f32", "f32", "f64", "f16", "i8", "i32"])
    x = activation(case, element, rank, extents=extents, batch=batch)
    at = activation(case, "i64", rank, x.size("c"), extents, f"places {total}", batch=batch)
    return case.returns(
        ops.max_unpool(case, x, at, kernel, stride, pads, None if size == natural else size))


# ---- element by element -------------------------------------------------------------------------

EXACT = ["relu", "relu6", "clamp", "abs", "neg", "leaky_relu"]
SMOOTH = ["sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "mish", "gelu", "gelu_tanh",
          "softplus", "sqrt", "exp", "elu"]


def attributes_of(rng, word, whole=False):
    if word == "clamp":
        low, high = sorted([rng.choice([-3, -1, 0, 2]), rng.choice([-1, 1, 3])])
        if not whole and rng.random() < 0.3:
            low, high = low - 0.5, high + 0.25
        which = rng.random()
        return {"min": low} if which < 0.2 else {"max": high} if which < 0.4 else \
            {"min": low, "max": high}
    if word == "leaky_relu" and rng.random() < 0.7:
        return {"slope": rng.choice([0.25, 0.125, 0.1, -0.5])}
    if word == "elu" and rng.random() < 0.5:
        return {"alpha": rng.choice([0.5, 2.0, 1.5])}
    return {}


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
    more = attributes_of(rng, word, not ops.is_float(element))
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
    rule = "all" if not ops.is_float(element) else \
        "special" if rng.random() < 0.15 else "whole"
    x = activation(case, element, rank, rule=rule)
    other = vector(case, element, "c", x.size("c"), "whole") if rng.random() < 0.4 else \
        activation(case, element, rank, x.size("c"), x.extents(), rule, x.size("n"))
    return case.returns(ops.binary(case, rng.choice(["add", "sub", "mul", "max", "min"]), x, other))


def normalised(case, x, exact=None, shared=False):
    """batch_norm: with powers of four as variances and epsilon 0 every rounding is exact."""
    rng = case.rng
    exact = rng.random() < 0.6 if exact is None else exact
    element = x.element
    if element in ("f16", "bf16") and rng.random() < 0.5:
        element = "f32"
    constant = rng.choice([0, 0, 1])
    rules = ["whole", "whole", "whole", "powers"]
    vectors = [vector(case, element, "c", x.size("c"), rule, constant) for rule in rules]
    epsilon = 0 if exact else rng.choice([None, 0.001, 1e-05])
    return ops.batch_norm(case, x, *vectors, epsilon=epsilon, shared=shared)


def conversion(rng, number):
    """convert, reorder, pad."""
    case = Case(rng, number)
    rank = rank_of(rng)
    everything = ["f32", "f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64"]
    element = rng.choice(everything)
    draw = rng.random()
    rule = "whole" if ops.is_float(element) else "all"
    if draw < 0.4:
        to = rng.choice(everything)
        if ops.is_float(element):
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
        if ops.is_float(element) and rng.random() < 0.5:
            value = rng.choice([0.5, -1.25, ops.INF, -ops.INF, float("nan")])
    x = activation(case, element, rank, extents=extents, rule=rule, batch=rng.choice([1, 2]))
    return case.returns(ops.pad(case, x, pads, mode, value))


def scales(rng, channels, exact=False):
    """Powers of two, which make ties; and others."""
    def one():
        return rng.choice([0.5, 0.25, 1.0, 2.0, 0.125]) if exact or rng.random() < 0.5 else \
            rng.choice([0.1, 0.3, 0.05, 0.7, 1.7])
    return [one() for _ in range(channels)] if channels > 1 and rng.random() < 0.4 else [one()]


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


# ---- chains -------------------------------------------------------------------------------------

def some_conv(case, element="f32", rank=None, x=None, shared=False, constant=0.3):
    rng = case.rng
    rank = rank or rank_of(rng)
    inputs, outputs, groups = channels_of(rng)
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
    inputs, outputs, groups = channels_of(rng)
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
    inputs, outputs, groups = channels_of(rng)
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
