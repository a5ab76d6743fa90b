"""One case: a program text written statement by statement, and what PyTorch makes of each."""

import math

from layout import Type, fill, is_float, stored


class Value:
    """A value of the program and its elements.

    `ulps` is how far a kernel may be off, in units in the last place of the larger of the element
    and `scale`; 0 where every rounding is exact or prescribed.
    """

    def __init__(self, name, kind, data, ulps=0, scale=0.0):
        self.name, self.type, self.data, self.ulps, self.scale = name, kind, data, ulps, scale
        self.uses = 0
        self.is_rounded = True

    def __str__(self):
        return "%" + self.name

    def size(self, axis):
        return self.type.size(axis)

    @property
    def element(self):
        return self.type.element

    @property
    def space(self):
        return [axis for axis in "dhw" if axis in self.type.axes()]

    def extents(self):
        """Of space, outermost first."""
        return [self.size(axis) for axis in self.space]


class Refused(Exception):
    """The draw broke a rule of the language; another is made."""


def text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        left, right = "()" if isinstance(value, tuple) else "[]"
        return left + ", ".join(text_of(v) for v in value) + right
    return repr(value) if isinstance(value, float) else str(value)


class Case:
    def __init__(self, rng, number, source=""):
        self.rng, self.number, self.source = rng, number, source
        self.is_blocked = rng.random() < 0.08  # channels in blocks of 16 behind the space
        self.inputs, self.lines, self.values = [], [], []
        self.results = []
        self.only_types = False  # the elements are of no interest

    # ---- types ------------------------------------------------------------------------------

    def layout(self, element, sizes, order="draw"):
        """Axes in a drawn memory order: mostly as PyTorch has them, often channels last."""
        rng = self.rng
        axes = list(sizes)
        if order == "draw":
            draw = rng.random()
            if draw < 0.3 and "c" in axes and len(axes) > 1:
                axes.remove("c")
                axes.append("c")
            elif draw < 0.4:
                rng.shuffle(axes)
        extents = [(axis, sizes[axis]) for axis in axes]
        if self.is_blocked and len(axes) > 1 and rng.random() < 0.8:
            return Type(element, self._blocked(extents))
        if order == "draw" and rng.random() < 0.12:
            extents = self._split(extents)
        return Type(element, extents)

    def _blocked(self, extents):
        """As libraries have them: n c h w c, o i h w o or o i h w i o."""
        inner = [(axis, 16) for axis, size in extents if axis in "ioc" and size % 16 == 0]
        if len(inner) > 1 and self.rng.random() < 0.5:
            inner = inner[:1]
        inner.sort(key=lambda part: "ioc".index(part[0]))
        parts = dict(inner)
        return [(axis, size // parts.get(axis, 1)) for axis, size in extents] + inner

    def _split(self, extents):
        rng = self.rng
        wide = [i for i, (axis, size) in enumerate(extents) if size > 3 and axis != "n"]
        if not wide:
            return extents
        channels = [i for i in wide if extents[i][0] in "coi"]
        i = rng.choice(channels or wide) if rng.random() < 0.8 else rng.choice(wide)
        axis, size = extents[i]
        inner = [part for part in range(2, size) if size % part == 0]
        if not inner:
            return extents
        part = 16 if 16 in inner else rng.choice(inner)
        split = extents[:i] + [(axis, size // part)] + extents[i + 1 :]
        last = rng.random() < 0.8
        split.insert(len(split) if last else rng.randint(i + 1, len(split)), (axis, part))
        return split

    def inferred(self, element, sizes, like):
        """The type that the language gives a result nobody wrote, or None where it gives none."""
        extents = list(like.extents)
        for axis in sizes:
            at = [i for i, (name, _) in enumerate(extents) if name == axis]
            inner = math.prod(extents[i][1] for i in at[1:])
            if sizes[axis] % inner:
                return None
            extents[at[0]] = (axis, sizes[axis] // inner)
        return Type(element, extents)

    # ---- values -----------------------------------------------------------------------------

    def _value(self, kind, data, name=None, ulps=0, scale=0.0):
        value = Value(name or f"v{len(self.values)}", kind, data, ulps, scale)
        self.values.append(value)
        return value

    def input(self, element, sizes, rule, order="draw", constant=None, name=None):
        """`constant`: how likely the values stand in the program; a list has at most 60."""
        kind = self.layout(element, sizes, order)
        plain = kind.elements() <= 60 and rule not in ("special", "above", "zeros", "huge")
        is_constant = constant and plain and self.rng.random() < constant
        index = 100 + len(self.lines) if is_constant else len(self.inputs)
        flat = fill(rule, kind, self.number, index)
        value = self._value(kind, kind.to_logical(flat), name)
        if is_constant:
            numbers = [f"{v:g}" if is_float(element) else str(v) for v in flat.tolist()]
            self.lines.append(f"{value} = const [{', '.join(numbers)}] : {kind}")
        else:
            self.inputs.append((value, rule))
        return value

    def read(self, value, elementwise):
        """The elements that a statement reads. A narrow float is rounded before any statement
        that is not element-wise; one that has several readers must be made with `shared`."""
        value.uses += 1
        if not elementwise and not value.is_rounded:
            value.data, value.is_rounded = stored(value.element, value.data), True
        return value.data

    def apply(self, word, operands, attributes, element, data, ulps=0, scale=0.0, shared=False,
              write=None, second=None, name=None):
        """Writes the statement. `data` has the result's elements; `second` the arg-max."""
        rng = self.rng
        x = operands[0].type
        axes = x.axes()
        sizes = dict(zip(axes, data.shape))
        if "n" in sizes:
            sizes["n"] = x.size("n")
        if write is None:
            write = rng.random() < 0.25
        kind = None if write else self.inferred(element, sizes, x)
        written = kind is None
        if written:
            order = [axis for axis, _ in x.extents]
            order = [axis for i, axis in enumerate(order) if axis not in order[:i]]
            kind = self.layout(element, {axis: sizes[axis] for axis in order})
        narrow = element in ("f16", "bf16")
        if not is_float(element) or (narrow and shared):
            data = stored(element, data)
        value = self._value(kind, data, name, ulps, scale)
        value.is_rounded = not narrow or shared
        results, types = [str(value)], [str(kind)]
        if second is not None:
            other = self._value(self.layout("i64", dict(kind_sizes(kind))) if written else
                                Type("i64", kind.extents), second, name and name + "_at")
            results.append(str(other))
            types.append(str(other.type))
        text = f"{', '.join(results)} = {word} {', '.join(str(o) for o in operands)}"
        if attributes:
            pairs = list(attributes.items())
            rng.shuffle(pairs)
            text += " {" + ", ".join(f"{k} = {text_of(v)}" for k, v in pairs) + "}"
        if written or write:
            text += " : " + ", ".join(types)
        self.lines.append(text)
        return (value, other) if second is not None else value

    # ---- the end ----------------------------------------------------------------------------

    def returns(self, *values):
        self.results = list(values)
        for value in values:
            value.uses += 1
            if value.element in ("f16", "bf16") and value.uses > 1:
                assert value.is_rounded, "a narrow value that is read and returned"
        return self

    def outputs(self):
        """Of each result: the value and its elements in memory order, as memory holds them."""
        return [(v, v.type.to_memory(stored(v.element, v.data))) for v in self.results]

    def program(self):
        declared = [f"{v}: {v.type}" for v, _ in self.inputs]
        separator = ", " if sum(map(len, declared)) < 80 else ",\n           "
        body = "".join(f"  {line}\n" for line in self.lines)
        returned = ", ".join(map(str, self.results))
        return f"program @p({separator.join(declared)}) {{\n{body}  return {returned}\n}}\n"

    def elements(self):
        return sum(v.type.elements() for v in self.results)


def kind_sizes(kind):
    seen = []
    for axis, _ in kind.extents:
        if axis not in [name for name, _ in seen]:
            seen.append((axis, kind.size(axis)))
    return seen
