#!/usr/bin/python3
"""Draws programs over the whole language, computes them with PyTorch, and writes what it says.

    /usr/bin/python3 tests/torch/generate.py

rewrites the .txt files beside it (README.md there has their format). The same PyTorch gives the
same files. Other and more cases, for a longer search:

    /usr/bin/python3 tests/torch/generate.py --seed 7 --times 10 --to /tmp/cases
    VOLUTE_TORCH_FOLDER=/tmp/cases build/dev/tests/torch_tests "[conv]"
"""

import argparse
import math
import os
import random
import subprocess
import sys
import warnings

sys.dont_write_bytecode = True

import torch  # noqa: E402

from case import Refused  # noqa: E402
from families import FAMILIES  # noqa: E402
from layout import is_float  # noqa: E402
from published import published  # noqa: E402

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LONGEST = 420  # elements of a case's results
LONGEST_ROUNDED = 48  # of a result that is not whole: ten characters each


def made_by(options):
    package = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "python3-torch"],
                             capture_output=True, text=True).stdout or "not a package"
    more = f", {options.times} times as many" if options.times != 1 else ""
    return f"PyTorch {torch.__version__} (Debian's python3-torch {package}), seed {options.seed}{more}"


def parsed_options():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="Writes what PyTorch makes of random programs.")
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--times", type=int, default=1, help="how many times as many cases")
    parser.add_argument("--to", default=here, metavar="FOLDER")
    return parser.parse_args()


# ---- how elements are written -------------------------------------------------------------------

def digits(number):
    """A whole number, negative ones inverted and marked in the lowest bit, five bits a character,
    lowest first."""
    rest = (~number << 1 | 1) if number < 0 else number << 1
    text = ""
    while True:
        low, rest = rest & 31, rest >> 5
        text += DIGITS[low | (32 if rest else 0)]
        if not rest:
            return text


def packed(element):
    if isinstance(element, float):
        if math.isnan(element):
            return "?"
        if math.isinf(element):
            return ">" if element > 0 else "<"
    return digits(int(element))


def runs(words, join, end):
    """Repeated words as word*count, closed by `end`."""
    out, i = [], 0
    while i < len(words):
        j = i
        while j < len(words) and words[j] == words[i]:
            j += 1
        out += [f"{words[i]}*{j - i}{end}"] if j - i > 3 else words[i:j]
        i = j
    return join.join(out)


def fraction_bits(elements):
    """The least k for which all elements are whole numbers over 2^k, or None."""
    finite = [v for v in elements if math.isfinite(v)]
    largest = max(map(abs, finite), default=0.0)
    for k in range(60):
        if largest * 2.0**k >= 2.0**60:
            return None
        if all((v * 2.0**k).is_integer() for v in finite):
            return k
    return None


def written(value, flat):
    """The line that says how a result is compared, and its elements."""
    elements = flat.tolist()
    if not is_float(value.element):
        return f"{value.name} {value.type} exact", runs([digits(v) for v in elements], "", ",")
    if value.ulps == 0:
        bits = fraction_bits(elements)
        if bits is not None:
            scaled = [v * 2.0**bits if math.isfinite(v) else v for v in elements]
            over = f" /{2 ** bits}" if bits else ""
            return f"{value.name} {value.type} exact{over}", runs([packed(v) for v in scaled], "", ",")
    text = "%.17g" if value.element == "f64" else "%.9g"
    near = f"near {math.ceil(value.ulps)}"
    if value.scale:
        near += f" of {value.scale * 1.0001:.4g}"
    if value.ulps == 0:
        near = "decimal"
    return f"{value.name} {value.type} {near}", runs([text % v for v in elements], " ", "")


def is_decimal(line):
    return " near " in line or line.endswith(" decimal")


def wrapped(text):
    """Lines of about 100 characters; the data have no other use for a line's end."""
    lines = []
    while len(text) > 100:
        at = text.rfind(" ", 0, 100) + 1 or 100
        lines.append(text[:at].rstrip())
        text = text[at:]
    return "\n".join(lines + [text])


def block(case):
    """The case as it stands in the file, or None where it is too long to keep."""
    if case.elements() > LONGEST and not case.only_types:
        return None
    text = f"case {case.number}{' ' + case.source if case.source else ''}\n{case.program()}"
    for value, rule in case.inputs:
        text += f"{value.name} {rule}\n"
    if case.only_types:
        return text + "".join(f"= {value.name} {value.type} shape\n" for value in case.results)
    for value, flat in case.outputs():
        line, elements = written(value, flat)
        if is_decimal(line) and flat.numel() > LONGEST_ROUNDED:
            return None
        text += f"= {line}\n{wrapped(elements)}\n"
    return text


# ---- files --------------------------------------------------------------------------------------

def random_cases(seed, family, draw, count, first):
    """Every case has a seed of its own, so that a change to one family leaves the others."""
    blocks, tries = [], 0
    while len(blocks) < count:
        number = first + len(blocks)
        rng = random.Random(f"{seed} {family} {tries}")
        tries += 1
        try:
            text = block(draw(rng, number))
        except Refused:
            continue
        if text is not None:
            blocks.append(text)
    return blocks


def main():
    options = parsed_options()
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel")
    torch.set_num_threads(1)
    families = {name: random_cases(options.seed, name, draw, count * options.times, 10000 * (i + 1))
                for i, (name, (draw, count)) in enumerate(FAMILIES.items())}
    families["published"] = [block(case) for case in published(1)]
    total, size = 0, 0
    for name, blocks in families.items():
        text = f"# {made_by(options)}.\n# Written by generate.py; README.md has the format.\n\n"
        text += "\n".join(blocks)
        with open(os.path.join(options.to, name + ".txt"), "w", encoding="ascii") as file:
            file.write(text)
        total, size = total + len(blocks), size + len(text)
        print(f"{name}: {len(blocks)} cases, {len(text)} bytes")
    print(f"{total} cases, {size} bytes")


if __name__ == "__main__":
    main()
