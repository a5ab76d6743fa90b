"""What families draw alike: shapes, windows, channels, operands, attributes."""

import ops
from attributes import span
from layout import limits

SPACE = {1: "w", 2: "hw", 3: "dhw"}
SMALL = [1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8]
EXTENTS = {1: [1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 31, 37], 2: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13],
           3: [1, 2, 3, 4, 5, 6]}

EXACT = ["relu", "relu6", "clamp", "abs", "neg", "leaky_relu"]
SMOOTH = ["sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "mish", "gelu", "gelu_tanh",
          "softplus", "sqrt", "exp", "elu"]


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
    channels = channels or rng.choice([16, 32] if case.is_blocked else SMALL)
    sizes = {"n": batch_of(rng) if batch is None else batch, "c": channels}
    sizes.update(zip(SPACE[rank], extents or extents_of(rng, rank)))
    return case.input(element, sizes, rule, **more)


def vector(case, element, axis, size, rule="whole", constant=0.3):
    return case.input(element, {axis: size}, rule, order="plain", constant=constant)


def float_of(rng, narrow=0.2):
    draw = rng.random()
    if draw < narrow:
        return rng.choice(["f16", "bf16"])
    return "f64" if draw < narrow + 0.12 else "f32"


def channels_of(case):
    """Input channels, output channels, groups."""
    rng = case.rng
    if case.is_blocked:
        groups = rng.choice([1, 1, 1, 2, 16])
        return rng.choice([16, 32]), rng.choice([16, 32]), groups
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
        while span(k, d) > size + b + e:
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


def byte(rng, element):
    """A zero point, often at the edge of the type."""
    low, high = limits(element)
    return rng.choice([0, 0, low, high, rng.randint(low, high), rng.randint(low, high)])


def zero_points(rng, element, channels):
    if rng.random() < 0.35:
        return [byte(rng, element) for _ in range(channels)]
    return [byte(rng, element)]


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


def scales(rng, channels, exact=False):
    """Powers of two, which make ties; and others."""
    def one():
        return rng.choice([0.5, 0.25, 1.0, 2.0, 0.125]) if exact or rng.random() < 0.5 else \
            rng.choice([0.1, 0.3, 0.05, 0.7, 1.7])
    return [one() for _ in range(channels)] if channels > 1 and rng.random() < 0.4 else [one()]
