"""Types of the program language, where their elements lie in memory, and the rules that fill them.

A tensor is held as PyTorch has it: its axes in the order n c o i d h w as far as it has them, split
axes joined, floats as float64 and integers as int64.
"""

import numpy
import torch

CANONICAL = "ncoidhw"
FLOATS = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16}
INTEGERS = {"i8": torch.int8, "u8": torch.uint8, "i32": torch.int32, "i64": torch.int64}


def is_float(element):
    return element in FLOATS


def limits(element):
    info = torch.iinfo(INTEGERS[element])
    return info.min, info.max


def stored(element, data):
    """The values after they went through memory: floats rounded, integers wrapped."""
    if is_float(element):
        return data.to(FLOATS[element]).to(torch.float64)
    return data.to(INTEGERS[element]).to(torch.int64)


class Type:
    """An element type and extents [(axis, size)] in memory order; an axis may stand twice."""

    def __init__(self, element, extents):
        self.element, self.extents = element, list(extents)

    def __str__(self):
        return f"{self.element}[{', '.join(f'{axis}={size}' for axis, size in self.extents)}]"

    def axes(self):
        return sorted({axis for axis, _ in self.extents}, key=CANONICAL.index)

    def size(self, axis):
        total = 1
        for name, size in self.extents:
            total *= size if name == axis else 1
        return total

    def elements(self):
        total = 1
        for _, size in self.extents:
            total *= size
        return total

    # An empty batch is computed as a batch of one: its values are not needed, its shapes are.
    def _held(self):
        return [max(size, 1) for _, size in self.extents]

    def _order(self):
        """Positions of the extents, canonical axis by axis, outer part first."""
        return [i for axis in self.axes() for i, (name, _) in enumerate(self.extents) if name == axis]

    def to_logical(self, flat):
        data = flat.reshape(self._held()).permute(self._order())
        return data.reshape([max(self.size(axis), 1) for axis in self.axes()]).contiguous()

    def to_memory(self, data):
        held, order = self._held(), self._order()
        split = data.reshape([held[i] for i in order])
        back = sorted(range(len(order)), key=lambda i: order[i])
        return split.permute(back).reshape(-1)[: self.elements()]


# ---- filling ------------------------------------------------------------------------------------
# Element i (in memory order) of the k-th input (from 0) of case number N is made of the 64 bits
# mix(N * 2^40 + k * 2^32 + i), by the rule that the case names. torch_case.cpp has the same rules.

MASK = numpy.uint64(0xFFFFFFFFFFFFFFFF)


def hashes(number, index, count):
    z = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64((number << 40) + (index << 32))
    with numpy.errstate(over="ignore"):
        z = (z + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def below(h, limit):
    return (h % numpy.uint64(limit)).astype(numpy.int64)


def with_special(h, kinds):
    """Whole numbers, one in six of them replaced."""
    values = below(h, 9).astype(numpy.float64) - 4
    which = below(h >> numpy.uint64(32), 6 * len(kinds))
    for i, kind in enumerate(kinds):
        values[which == i] = kind
    return values


NAN, INF = float("nan"), float("inf")
RULES = {
    "whole": lambda h: below(h, 9) - 4,
    "ties": lambda h: below(h, 3) - 1,
    "flags": lambda h: below(h, 2),
    "thousand": lambda h: below(h, 2001) - 1000,
    "all": lambda h: h.astype(numpy.int64),  # every bit; wrapped to the type
    "special": lambda h: with_special(h, [NAN, INF, -INF]),
    "above": lambda h: with_special(h, [NAN, INF]),
    "zeros": lambda h: with_special(h, [-0.0]),
    "eighths": lambda h: (below(h, 257) - 128) / 8,
    "fine": lambda h: (below(h, 2097153) - 1048576) / 65536,
    "positive": lambda h: below(h, 128) / 8,
    "powers": lambda h: 2.0 ** (2 * below(h, 4) - 2),
    "huge": lambda h: (below(h, 2001) - 1000) * 1e7,
}


def fill(rule, kind, number, index):
    """The elements of an input in memory order, before they go through memory."""
    held = 1
    for size in kind._held():
        held *= size
    if rule.startswith("list "):
        values = numpy.array([float(word) for word in rule.split()[1:]])
    elif rule.startswith("places "):
        return places(int(rule.split()[1]), kind)
    else:
        values = RULES[rule](hashes(number, index, held))
    flat = torch.from_numpy(numpy.ascontiguousarray(values))
    flat = flat.to(torch.float64 if is_float(kind.element) else torch.int64)
    return stored(kind.element, flat)


def places(positions, kind):
    """Distinct places in each plane: 7 * q + 3 * (n * C + c) mod positions for the q-th pixel."""
    sizes = [max(kind.size(axis), 1) for axis in kind.axes()]
    pixels = 1
    for size in sizes[2:]:
        pixels *= size
    plane = torch.arange(sizes[0] * sizes[1]).reshape(-1, 1)
    places_of = (7 * torch.arange(pixels).reshape(1, -1) + 3 * plane) % positions
    return kind.to_memory(places_of.reshape(sizes))
