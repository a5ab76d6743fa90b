"""The configurations of tests/torch, from Python: programs, and what PyTorch made of them.

Every so many-th case of each file whose inputs and answers are whole numbers; the C++ tests take all.
Needs no PyTorch. tests/torch/README.md has the format.
"""

import os
import re
import unittest

import numpy

import volute

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "torch")
EVERY = int(os.environ.get("VOLUTE_EVERY", "11"))
DTYPES = {"f32": "f4", "f64": "f8", "f16": "f2", "i8": "i1", "u8": "u1", "i32": "i4", "i64": "i8"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
RULES = {"whole": (9, 4), "ties": (3, 1), "thousand": (2001, 1000)}


def parse_type(text):
    element, axes = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    return element, [int(size) for size in re.findall(r"=(\d+)", axes)]


def mix(number, k, count):
    """splitmix64 of the coordinates of each element."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64((number << 40) + (k << 32)) + numpy.arange(count, dtype=numpy.uint64)
        z = (z + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))


def filled(kind, rule, number, k):
    element, shape = kind
    bits = mix(number, k, int(numpy.prod(shape)))
    if rule == "all":  # bits of an integer
        return bits.astype(DTYPES[element]).reshape(shape)
    limit, less = RULES[rule]
    whole = (bits % numpy.uint64(limit)).astype(numpy.int64) - less
    return whole.astype(DTYPES[element]).reshape(shape)


def decoded(text):
    """Whole numbers as characters of five bits; None where there is anything else."""
    numbers, at = [], 0
    while at < len(text):
        if text[at] == "*":
            comma = text.index(",", at)
            numbers += [numbers[-1]] * (int(text[at + 1:comma]) - 1)
            at = comma + 1
            continue
        bits, shift = 0, 0
        while True:
            if text[at] not in LETTERS:
                return None
            five = LETTERS.index(text[at])
            at += 1
            bits |= (five & 31) << shift
            shift += 5
            if not five & 32:
                break
        numbers.append(~(bits >> 1) if bits & 1 else bits >> 1)
    return numbers


def cases(path):
    with open(path) as file:
        for block in re.split(r"\n\n(?=case )", file.read())[1:]:
            head, rest = block.split("\n", 1)
            text, rest = rest.split("\n}\n", 1)
            rules, *results = re.split(r"^= ", rest, flags=re.M)
            yield (int(head.split()[1]), text + "\n}\n",
                   [line.split(" ", 1) for line in rules.split("\n") if line],
                   [result.split("\n", 1) for result in results])


class Answers(unittest.TestCase):
    def check(self, family):
        compared = 0
        for position, (number, text, rules, results) in enumerate(
                cases(os.path.join(FOLDER, family + ".txt"))):
            if position % EVERY or "bf16" in text or any(rule not in (*RULES, "all") for _, rule in rules):
                continue
            heads = [re.fullmatch(r"(\w+) (\w+\[.*?\]) (.*)", head).groups() for head, _ in results]
            if any(how != "exact" for _, _, how in heads):
                continue
            wanted = [decoded(body.replace("\n", "")) for _, body in results]
            if any(numbers is None for numbers in wanted):
                continue
            with self.subTest(case=number):
                kernel = volute.compile(text)
                inputs = [filled(parse_type(kernel.type(name)), rule, number, k)
                          for k, (name, rule) in enumerate(rules)]
                self.assertEqual(kernel.inputs, [name for name, _ in rules])
                found = kernel(*inputs)
                found = found if isinstance(found, tuple) else (found,)
                for (name, kind, _), numbers, array in zip(heads, wanted, found):
                    self.assertEqual(kernel.type(name), kind)
                    self.assertEqual(list(array.shape), parse_type(kind)[1])
                    numpy.testing.assert_array_equal(array.ravel(), numbers)
                compared += 1
        self.assertGreater(compared, 1, "cases that could be compared")


for family in ("conv", "conv_bytes", "conv_padding", "conv_transpose", "max_pool", "unpool",
               "two_operands"):
    setattr(Answers, f"test_{family}", lambda self, family=family: self.check(family))


if __name__ == "__main__":
    unittest.main()
