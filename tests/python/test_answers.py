"""The configurations of tests/torch, from Python: programs, and what PyTorch made of them.

All of them, as the C++ tests take them, by the same rules (tests/torch/README.md): inputs filled, answers
read, and compared as each says. Needs no PyTorch.
"""

import os
import re
import unittest

import numpy

import volute

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "torch")
EVERY = int(os.environ.get("VOLUTE_EVERY", "1"))  # every so many-th case of a file
DTYPES = {"f32": "f4", "f64": "f8", "f16": "f2", "bf16": "u2", "i8": "i1", "u8": "u1", "i32": "i4", "i64": "i8"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SPECIAL = {"?": numpy.nan, ">": numpy.inf, "<": -numpy.inf}
U64 = numpy.uint64


class Type:
    """"f32[n=1, c=3, w=4]": an element, letters and sizes in memory order."""

    def __init__(self, text):
        self.element, axes = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
        extents = re.findall(r"([a-z])=(\d+)", axes)
        self.letters, self.shape = [axis for axis, _ in extents], [int(size) for _, size in extents]
        self.is_float = self.element in ("f32", "f64", "f16", "bf16")

    def positions(self, axis):
        """Where each element lies along an axis, the parts of which are digits; and the axis's size."""
        digits, whole, size = numpy.indices(self.shape), numpy.zeros(self.shape, numpy.int64), 1
        for i, letter in enumerate(self.letters):
            if letter == axis:
                whole, size = whole * self.shape[i] + digits[i], size * self.shape[i]
        return whole, size

    def array(self, numbers):
        """An array that a kernel takes, of numbers in memory order."""
        numbers = numpy.asarray(numbers).reshape(self.shape)
        if self.element != "bf16":
            return numbers.astype(DTYPES[self.element])
        bits = numbers.astype(numpy.float32).view(numpy.uint32)
        rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16  # to nearest, ties to even
        return numpy.where(numpy.isnan(numbers), 0x7FC0, rounded).astype(numpy.uint16)

    def numbers(self, array):
        """What an array that a kernel has made says, as float64 or whole numbers."""
        if self.element == "bf16":
            array = (array.astype(numpy.uint32) << 16).view(numpy.float32)
        return array.astype(numpy.float64) if self.is_float else array.astype(numpy.int64)

    def ulp(self, size):
        """The distance of neighbours of that size, at most."""
        digits, least = {"f64": (52, -1074), "f16": (10, -24), "bf16": (7, None)}.get(self.element, (23, -149))
        return size * 2.0**-digits if least is None else numpy.maximum(size * 2.0**-digits, 2.0**least)


# ---- inputs --------------------------------------------------------------------------------------


def mix(number, k, count):
    """splitmix64 of the coordinates of each element."""
    with numpy.errstate(over="ignore"):
        z = U64((number << 40) + (k << 32)) + numpy.arange(count, dtype=U64)
        z = (z + U64(1)) * U64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
        return z ^ (z >> U64(31))


def below(bits, limit):
    return (bits % U64(limit)).astype(numpy.float64)


def with_special(bits, kinds):
    """Whole numbers, one in six of them replaced by one of the kinds."""
    which = ((bits >> U64(32)) % U64(6 * len(kinds))).astype(int)
    kind = numpy.array(kinds)[numpy.minimum(which, len(kinds) - 1)]
    return numpy.where(which < len(kinds), kind, below(bits, 9) - 4)


RULES = {
    "whole": lambda bits: below(bits, 9) - 4,
    "ties": lambda bits: below(bits, 3) - 1,
    "thousand": lambda bits: below(bits, 2001) - 1000,
    "special": lambda bits: with_special(bits, [numpy.nan, numpy.inf, -numpy.inf]),
    "above": lambda bits: with_special(bits, [numpy.nan, numpy.inf]),
    "zeros": lambda bits: with_special(bits, [-0.0]),
    "eighths": lambda bits: (below(bits, 257) - 128) / 8,
    "fine": lambda bits: (below(bits, 2097153) - 1048576) / 65536,
    "positive": lambda bits: below(bits, 128) / 8,
    "powers": lambda bits: numpy.exp2(2 * below(bits, 4) - 2),
    "huge": lambda bits: (below(bits, 2001) - 1000) * 1e7,
    "all": lambda bits: bits,  # every bit of an integer
}


def filled(of, rule, number, k):
    word, *more = rule.split()
    if word == "places":  # different ones in each plane
        (n, _), (c, channels) = of.positions("n"), of.positions("c")
        (d, _), (h, height), (w, width) = (of.positions(axis) for axis in "dhw")
        pixel = (d * height + h) * width + w
        return of.array((7 * pixel + 3 * (n * channels + c)) % int(more[0]))
    if word == "list":
        return of.array([float(element) for element in more])
    return of.array(RULES[word](mix(number, k, int(numpy.prod(of.shape)))))


# ---- answers -------------------------------------------------------------------------------------


def packed(text, unit):
    """Whole numbers times a unit as characters of five bits, and what is no number."""
    numbers, at = [], 0
    while at < len(text):
        if text[at] == "*":
            comma = text.index(",", at)
            numbers += [numbers[-1]] * (int(text[at + 1:comma]) - 1)
            at = comma + 1
        elif text[at] in SPECIAL:
            numbers.append(SPECIAL[text[at]])
            at += 1
        else:
            bits, shift, more = 0, 0, True
            while more:
                five = LETTERS.index(text[at])
                bits, shift, more, at = bits | (five & 31) << shift, shift + 5, five & 32, at + 1
            whole = ~(bits >> 1) if bits & 1 else bits >> 1
            numbers.append(whole if unit == 1 else whole * unit)
    return numbers


def decimals(text):
    numbers = []
    for word in text.split():
        number, _, count = word.partition("*")
        numbers += [float(number)] * int(count or 1)
    return numbers


class Result:
    """"y f32[n=1, c=2, w=3] near 4 of 12" and the elements that follow."""

    def __init__(self, text):
        head, body = text.split("\n", 1)
        self.name, self.type_text, how, rest = re.fullmatch(r"(\w+) (\w+\[.*?\]) (\w+) ?(.*)", head).groups()
        self.type, self.only_type = Type(self.type_text), how == "shape"
        self.ulps, self.scale = 0.0, 0.0
        if how == "near":
            ulps, _, scale = rest.partition(" of ")
            self.ulps, self.scale = float(ulps), float(scale or 0)
        if how == "exact":
            numbers = packed(body.replace("\n", ""), 1 / float(rest[1:]) if rest else 1)
        else:
            numbers = decimals(body)
        if not self.only_type:
            exact = numpy.array(numbers, numpy.float64 if self.type.is_float else numpy.int64)
            # Decimals have digits enough to tell the type's values apart, and no more.
            self.numbers = self.type.numbers(self.type.array(exact)) if how != "exact" else exact.reshape(self.type.shape)

    def slack(self):
        if not self.ulps:
            return 0.0
        size = numpy.abs(self.numbers)
        narrow = self.type.element in ("f16", "bf16")
        unit = (Type("f32[]") if narrow else self.type).ulp(numpy.maximum(size, self.scale))
        last = self.type.ulp(size) if narrow else 0
        return self.ulps * unit + last + (2.0**-1015 if self.type.element == "f64" else 2.0**-119)

    def difference(self, array):
        """The first element that differs, in words, or nothing."""
        found = self.type.numbers(array)
        with numpy.errstate(invalid="ignore"):
            agree = (found == self.numbers) | (numpy.abs(found - self.numbers) <= self.slack())
        if self.type.is_float:
            agree |= numpy.isnan(found) & numpy.isnan(self.numbers)
        if agree.all():
            return ""
        first = tuple(numpy.argwhere(~agree)[0])
        return f"%{self.name}{list(first)} is {found[first]!r}, not {self.numbers[first]!r}"


def cases(family):
    with open(os.path.join(FOLDER, family + ".txt")) as file:
        for block in re.split(r"^case ", file.read(), flags=re.M)[1:]:
            head, rest = block.split("\n", 1)
            text, rest = rest.split("\n}\n", 1)
            rules, *results = re.split(r"^= ", rest, flags=re.M)
            yield (int(head.split()[0]), text + "\n}\n",
                   [line.split(" ", 1) for line in rules.split("\n") if line], map(Result, results))


class Answers(unittest.TestCase):
    session = volute.Session()

    def check(self, family):
        compared = 0
        for position, (number, text, rules, results) in enumerate(cases(family)):
            if position % EVERY:
                continue
            with self.subTest(case=number, program=text):
                results = list(results)
                if results[0].only_type:
                    program = volute.Program(text)  # tensors that no memory holds
                    self.assertTrue(program.text)
                    continue
                kernel = volute.compile(text, session=self.session)
                self.assertEqual(kernel.inputs, [name for name, _ in rules])
                self.assertEqual([(name, kernel.type(name)) for name in kernel.outputs],
                                 [(result.name, result.type_text) for result in results])
                found = kernel(*(filled(Type(kernel.type(name)), rule, number, k)
                                 for k, (name, rule) in enumerate(rules)))
                found = found if isinstance(found, tuple) else (found,)
                for result, array in zip(results, found):
                    self.assertEqual(list(array.shape), result.type.shape)
                    self.assertEqual(result.difference(array), "")
                compared += 1
        self.assertGreater(compared, 1, "cases that could be compared")
        self.session.clear_cache()


FAMILIES = sorted(name[:-4] for name in os.listdir(FOLDER) if name.endswith(".txt"))
for each in FAMILIES:
    setattr(Answers, f"test_{each}", lambda self, family=each: self.check(family))


if __name__ == "__main__":
    unittest.main()
