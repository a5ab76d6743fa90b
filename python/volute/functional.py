"""The functions of ``torch.nn.functional``: names, order of arguments, defaults, numbers.

Arrays are NumPy's, torch's (on the CPU), or anything with DLPack or the buffer protocol, of any
strides that are not negative; nothing is copied. The result is a new array, of torch where an operand
is torch's and of NumPy otherwise, and lies in memory as the first operand does. One image without a
batch is taken as PyTorch takes it.

Each is compiled when it is first met with its shapes and options, and found by them after that;
nothing is fused across calls and weights are packed on each: :func:`volute.compile` does both.

What does not fit is refused with :class:`volute.Error`, a ``RuntimeError`` as PyTorch raises; an
argument of the wrong kind with ``TypeError``.

>>> import numpy, volute
>>> x = numpy.ones((1, 3, 5, 5), numpy.float32)
>>> w = numpy.ones((2, 3, 3, 3), numpy.float32)
>>> volute.conv2d(x, w, stride=2, padding=1)[0, 0]
array([[12., 18., 12.],
       [18., 27., 18.],
       [12., 18., 12.]], dtype=float32)
"""

from __future__ import annotations

import re
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from . import _volute
from ._core import ELEMENTS, Error, Kernel, Options, Program, _attribute, _compile, default_session

Array = Any  #: an array that is taken or given
Numbers = Union[int, Sequence[int]]

__all__ = [
    "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "max_pool1d", "max_pool2d", "max_pool3d",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices",
    "batch_norm", "pad",
    "relu", "relu6", "leaky_relu", "elu", "prelu", "sigmoid", "tanh", "silu", "hardsigmoid",
    "hardswish", "hardtanh", "mish", "gelu", "softplus",
]  # fmt: skip

# ---- types: an array's shape and strides as the language writes them -----------------------------


def _memory_order(shape: Tuple[int, ...], strides: Tuple[int, ...]) -> List[int]:
    """The axes as they lie in memory, outermost first.

    An axis of one position lies anywhere: where it would stand among the others, as written.
    """

    def sorted_by_stride(axes: List[int]) -> List[int]:
        return sorted(axes, key=lambda axis: -strides[axis])  # which keeps the order of equal ones

    long = [axis for axis in range(len(shape)) if shape[axis] != 1]
    if sorted_by_stride(long) == long:
        return list(range(len(shape)))
    last = [axis for axis in range(len(shape)) if axis != 1] + [1]  # channels last
    if sorted_by_stride([axis for axis in last if shape[axis] != 1]) == [
        axis for axis in last if shape[axis] != 1
    ]:
        return last
    return [axis for axis in range(len(shape)) if shape[axis] == 1] + sorted_by_stride(long)


def _is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    dense = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != dense:
            return False
        dense *= size
    return True


class _Operand:
    """An array as an input of a program: its type, and which of its axes is which extent."""

    def __init__(self, array: Array, letters: str, name: str) -> None:
        """``letters`` names the array's axes; those before are axes that it has not."""
        element, shape, strides = _volute.describe(array)
        missing = len(letters) - len(shape)
        self.name = name
        order = _memory_order(shape, strides)
        self.order = tuple([-1] * missing + order)
        self.element = ELEMENTS[element if element >= 0 else 3]
        extents = [f"{letter}=1" for letter in letters[:missing]]
        extents += [f"{letters[missing + axis]}={shape[axis]}" for axis in order]
        self.type = f"{self.element}[{', '.join(extents)}]"
        self.strides: Optional[str] = None
        ordered = [strides[axis] for axis in order]
        if not _is_dense([shape[axis] for axis in order], ordered):
            self.strides = ", ".join(map(str, [0] * missing + ordered))


def _rank(array: Array) -> int:
    return len(_volute.describe(array)[1])


_kernels: Dict[Any, Kernel] = {}
_kernels_lock = threading.Lock()  # for who changes it; a call only looks
_most_kernels = 4096  # which hold some kilobytes each


def _program(name: str, operands: List[_Operand], statements: Sequence[str], results: str) -> str:
    inputs = ", ".join(f"%{o.name}: {o.type}" for o in operands)
    lines = "".join(f"  {statement}\n" for statement in statements)
    return f"program @{name}({inputs}) {{\n{lines}  return {results}\n}}\n"


def _kernel(
    name: str,
    operands: List[_Operand],
    expression: str,
    letters: str,
    results: str = "%y",
    before: Sequence[str] = (),
) -> Kernel:
    """Compiles a program that ends with `results = expression`, whose axes are the first operand's."""
    options: Options = [(f"strides.{o.name}", o.strides) for o in operands if o.strides is not None]
    text = _program(name, operands, [*before, f"{results} = {expression}"], results)
    try:
        kernel = _compile(default_session(), Program(text, name), options)
    except Error as error:  # of a text that nobody has written: its places say nothing
        raise _placeless(name, error) from None
    missing = operands[0].order.count(-1)
    orders = [o.order for o in operands]
    for output in kernel.outputs:
        axes = re.findall(r"([a-z])=", kernel.type(output))
        orders.append(tuple(max(letters.index(axis) - missing, -1) for axis in axes))
    kernel._set_orders(orders)
    return kernel


def _placeless(name: str, error: Error) -> Error:
    found = [d._replace(line=0, column=0, subject=name) for d in error.diagnostics]
    lines = [f"{name}: {d.message}" + (f" ({d.hint})" if d.hint else "") for d in found]
    return Error("\n".join(lines), diagnostics=found, status=error.status)


def _make(key: Any, options: Tuple[Any, ...], arrays: Tuple[Array, ...]) -> Kernel:
    kernel: Kernel = options[0].compile(arrays, *options[1:])
    with _kernels_lock:
        while len(_kernels) >= _most_kernels:  # the one that came first goes
            del _kernels[next(iter(_kernels))]
        _kernels[key] = kernel
    return kernel


def _forget_kernels() -> None:
    with _kernels_lock:
        _kernels.clear()


def _call(options: Tuple[Any, ...], arrays: Tuple[Array, ...], out: Optional[Array] = None) -> Any:
    return _volute.call_cached(_kernels, _make, options, arrays, out)


# ---- arguments -----------------------------------------------------------------------------------


def _key(value: Any) -> Any:
    """An argument as part of a key: lists are unhashable, and tuples of the same numbers are equal."""
    return value if type(value) is int else tuple(value) if isinstance(value, (list, tuple)) else value


def _numbers(function: str, name: str, value: Any, spatial: int) -> Any:
    """One whole number, or one an axis."""
    values = value if isinstance(value, tuple) else (value,)
    for each in values:
        if isinstance(each, bool) or not hasattr(each, "__index__"):
            raise TypeError(
                f"{function}(): argument '{name}' must be an int or a tuple of ints, not {value!r}"
            )
    whole = [int(each.__index__()) for each in values]
    if not isinstance(value, tuple) or (len(whole) == 1 and spatial != 1):
        return whole[0]
    return whole


def _attributes(**given: Any) -> str:
    text = ", ".join(f"{k} = {_attribute(v)}" for k, v in given.items() if v is not None)
    return " {" + text + "}" if text else ""


def _batched(function: str, array: Array, letters: str) -> None:
    """Refuses arrays that are neither a batch nor one of it."""
    rank = _rank(array)
    if rank not in (len(letters), len(letters) - 1):
        raise _wrong_rank(function, rank, letters)


def _wrong_rank(function: str, rank: int, letters: str) -> Exception:
    return Error(
        f"{function}: the input has {rank} axes, and {len(letters)} are wanted ({', '.join(letters)}), "
        f"or {len(letters) - 1} without a batch"
    )


# ---- the functions, a class for each family --------------------------------------------------------


class _Function:
    """Of one family and so many spatial axes: from arrays and options to a kernel."""

    def __init__(self, name: str, spatial: int) -> None:
        self.name = name
        self.spatial = spatial
        space = "dhw"[3 - spatial:]
        self.image = "nc" + space
        self.weight = "oi" + space

    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        raise NotImplementedError

    def numbers(self, name: str, value: Any) -> Any:
        return None if value is None else _numbers(self.name, name, value, self.spatial)


class _Conv(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        stride, padding, dilation, groups = options
        _batched(self.name, arrays[0], self.image)
        operands = [_Operand(arrays[0], self.image, "x"), _Operand(arrays[1], self.weight, "w")]
        if len(arrays) > 2:
            operands.append(_Operand(arrays[2], "o", "b"))
        given = _attributes(
            stride=self.numbers("stride", stride),
            pad=padding if isinstance(padding, str) else self.numbers("padding", padding),
            dilation=self.numbers("dilation", dilation),
            groups=groups,
        )
        names = ", ".join(f"%{o.name}" for o in operands)
        return _kernel(self.name, operands, f"conv {names}{given}", self.image)


class _ConvTranspose(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        stride, padding, output_padding, groups, dilation = options
        _batched(self.name, arrays[0], self.image)
        weight = "io" + self.weight[2:]
        operands = [_Operand(arrays[0], self.image, "x"), _Operand(arrays[1], weight, "w")]
        if len(arrays) > 2:
            operands.append(_Operand(arrays[2], "o", "b"))
        given = _attributes(
            stride=self.numbers("stride", stride),
            pad=self.numbers("padding", padding),
            output_padding=self.numbers("output_padding", output_padding),
            groups=groups,
            dilation=self.numbers("dilation", dilation),
        )
        names = ", ".join(f"%{o.name}" for o in operands)
        return _kernel(self.name, operands, f"conv_transpose {names}{given}", self.image)


class _MaxPool(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        kernel_size, stride, padding, dilation, ceil_mode, indices = options
        _batched(self.name, arrays[0], self.image)
        given = _attributes(
            kernel=self.numbers("kernel_size", kernel_size),
            stride=self.numbers("stride", stride),
            pad=self.numbers("padding", padding),
            dilation=self.numbers("dilation", dilation),
            ceil_mode=bool(ceil_mode),
        )
        results = "%y, %indices" if indices else "%y"
        operand = _Operand(arrays[0], self.image, "x")
        return _kernel(self.name, [operand], f"max_pool %x{given}", self.image, results)


class _AvgPool(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor = options
        _batched(self.name, arrays[0], self.image)
        given = _attributes(
            kernel=self.numbers("kernel_size", kernel_size),
            stride=self.numbers("stride", stride),
            pad=self.numbers("padding", padding),
            ceil_mode=bool(ceil_mode),
            count_include_pad=bool(count_include_pad),
            divisor=divisor,
        )
        return _kernel(self.name, [_Operand(arrays[0], self.image, "x")], f"avg_pool %x{given}", self.image)


class _LpPool(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        norm_type, kernel_size, stride, ceil_mode = options
        _batched(self.name, arrays[0], self.image)
        given = _attributes(
            kernel=self.numbers("kernel_size", kernel_size),
            stride=self.numbers("stride", stride),
            ceil_mode=bool(ceil_mode),
            p=float(norm_type),
        )
        return _kernel(self.name, [_Operand(arrays[0], self.image, "x")], f"lp_pool %x{given}", self.image)


class _AdaptivePool(_Function):
    def __init__(self, name: str, spatial: int, operator: str) -> None:
        super().__init__(name, spatial)
        self.operator = operator

    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        output_size, indices = options
        _batched(self.name, arrays[0], self.image)
        sizes = _volute.describe(arrays[0])[1][-self.spatial:]
        if isinstance(output_size, tuple):  # None stands for as many as there are
            output_size = tuple(
                there if size is None else size for size, there in zip(output_size, sizes)
            ) + output_size[len(sizes):]
        given = _attributes(output=self.numbers("output_size", output_size))
        results = "%y, %indices" if indices else "%y"
        operand = _Operand(arrays[0], self.image, "x")
        return _kernel(self.name, [operand], f"{self.operator} %x{given}", self.image, results)


class _MaxUnpool(_Function):
    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        kernel_size, stride, padding, output_size = options
        _batched(self.name, arrays[0], self.image)
        if output_size is not None:  # of the spatial axes, or of all
            output_size = output_size[-self.spatial:]
        given = _attributes(
            kernel=self.numbers("kernel_size", kernel_size),
            stride=self.numbers("stride", stride),
            pad=self.numbers("padding", padding),
            output_size=self.numbers("output_size", output_size),
        )
        operands = [_Operand(arrays[0], self.image, "x"), _Operand(arrays[1], self.image, "indices")]
        return _kernel(self.name, operands, f"max_unpool %x, %indices{given}", self.image)


_any_letters = "ncdhw"


def _letters_of(function: str, rank: int) -> str:
    """Of an array of any rank up to five: its second axis is the channels, as PyTorch has it."""
    if rank > 5:
        raise Error(f"{function}: arrays of at most 5 axes are taken, and this has {rank}")
    if rank < 2:
        return "ncw"
    return "nc" + "dhw"[max(5 - rank, 0):] if rank > 2 else "wnc"


class _Elementwise(_Function):
    """Any number of axes; ``vectors`` are operands with one number a channel."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 1)

    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        statement, vectors = options
        letters = _letters_of(self.name, _rank(arrays[0]))
        operands = [_Operand(arrays[0], letters, "x")]
        operands += [_Operand(v, "c", name) for v, name in zip(arrays[1:], vectors)]
        return _kernel(self.name, operands, statement, letters)


_conv1d, _conv2d, _conv3d = (_Conv(f"conv{n}d", n) for n in (1, 2, 3))
_conv_transpose1d, _conv_transpose2d, _conv_transpose3d = (_ConvTranspose(f"conv_transpose{n}d", n) for n in (1, 2, 3))
_max_pool1d, _max_pool2d, _max_pool3d = (_MaxPool(f"max_pool{n}d", n) for n in (1, 2, 3))
_max_unpool1d, _max_unpool2d, _max_unpool3d = (_MaxUnpool(f"max_unpool{n}d", n) for n in (1, 2, 3))
_avg_pool1d, _avg_pool2d, _avg_pool3d = (_AvgPool(f"avg_pool{n}d", n) for n in (1, 2, 3))
_lp_pool1d, _lp_pool2d, _lp_pool3d = (_LpPool(f"lp_pool{n}d", n) for n in (1, 2, 3))
_adaptive_avg_pool1d, _adaptive_avg_pool2d, _adaptive_avg_pool3d = (
    _AdaptivePool(f"adaptive_avg_pool{n}d", n, "adaptive_avg_pool") for n in (1, 2, 3)
)
_adaptive_max_pool1d, _adaptive_max_pool2d, _adaptive_max_pool3d = (
    _AdaptivePool(f"adaptive_max_pool{n}d", n, "adaptive_max_pool") for n in (1, 2, 3)
)

# ---- convolution and pooling -------------------------------------------------------------------


def conv1d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Union[str, Numbers] = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Array:
    """Convolution of [n, c, w] by weights [o, i, w]; ``padding`` may be valid or same.

    >>> volute.conv1d(numpy.arange(5, dtype="f4")[None, None], numpy.ones((1, 1, 3), "f4"))
    array([[[3., 6., 9.]]], dtype=float32)
    """
    options = (_conv1d, _key(stride), _key(padding), _key(dilation), groups)
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def conv2d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Union[str, Numbers] = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Array:
    """Convolution of [n, c, h, w] by weights [o, i, h, w]; ``padding`` may be valid or same.

    >>> x, w = numpy.ones((1, 2, 4, 4), "f4"), numpy.ones((3, 2, 3, 3), "f4")
    >>> volute.conv2d(x, w, numpy.zeros(3, "f4"), padding="same").shape
    (1, 3, 4, 4)
    """
    options = (_conv2d, _key(stride), _key(padding), _key(dilation), groups)
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def conv3d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Union[str, Numbers] = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Array:
    """Convolution of [n, c, d, h, w] by weights [o, i, d, h, w]; ``padding`` may be valid or same."""
    options = (_conv3d, _key(stride), _key(padding), _key(dilation), groups)
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Array:
    """Transposed convolution of [n, c, w] by weights [i, o, w]."""
    options = (_conv_transpose1d, _key(stride), _key(padding), _key(output_padding), groups, _key(dilation))
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Array:
    """Transposed convolution of [n, c, h, w] by weights [i, o, h, w].

    >>> x, w = numpy.ones((1, 2, 4, 4), "f4"), numpy.ones((2, 3, 3, 3), "f4")
    >>> volute.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1).shape
    (1, 3, 8, 8)
    """
    options = (_conv_transpose2d, _key(stride), _key(padding), _key(output_padding), groups, _key(dilation))
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Optional[Array] = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Array:
    """Transposed convolution of [n, c, d, h, w] by weights [i, o, d, h, w]."""
    options = (_conv_transpose3d, _key(stride), _key(padding), _key(output_padding), groups, _key(dilation))
    return _call(options, (input, weight) if bias is None else (input, weight, bias))


def max_pool1d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window; with ``return_indices`` also where it lies.

    >>> volute.max_pool1d(numpy.array([[[1, 5, 2, 2]]], "f4"), 2, return_indices=True)
    (array([[[5., 2.]]], dtype=float32), array([[[1, 2]]]))
    """
    options = (_max_pool1d, _key(kernel_size), _key(stride), _key(padding), _key(dilation), ceil_mode, return_indices)
    return _call(options, (input,))


def max_pool1d_with_indices(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tuple[Array, Array]:
    """``max_pool1d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return both


def max_pool2d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window; with ``return_indices`` also where it lies.

    >>> volute.max_pool2d(numpy.arange(16, dtype="f4").reshape(1, 1, 4, 4), 3, stride=1)[0, 0]
    array([[10., 11.],
           [14., 15.]], dtype=float32)
    """
    options = (_max_pool2d, _key(kernel_size), _key(stride), _key(padding), _key(dilation), ceil_mode, return_indices)
    return _call(options, (input,))


def max_pool2d_with_indices(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tuple[Array, Array]:
    """``max_pool2d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return both


def max_pool3d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window; with ``return_indices`` also where it lies."""
    options = (_max_pool3d, _key(kernel_size), _key(stride), _key(padding), _key(dilation), ceil_mode, return_indices)
    return _call(options, (input,))


def max_pool3d_with_indices(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tuple[Array, Array]:
    """``max_pool3d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return both


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    output_size: Optional[Sequence[int]] = None,
) -> Array:
    """Puts each value where ``indices`` says, among zeros.

    >>> y, places = volute.max_pool1d_with_indices(numpy.array([[[1, 5, 2, 3]]], "f4"), 2)
    >>> volute.max_unpool1d(y, places, 2)
    array([[[0., 5., 0., 3.]]], dtype=float32)
    """
    options = (_max_unpool1d, _key(kernel_size), _key(stride), _key(padding), _key(output_size))
    return _call(options, (input, indices))


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    output_size: Optional[Sequence[int]] = None,
) -> Array:
    """Puts each value where ``indices`` says, among zeros."""
    options = (_max_unpool2d, _key(kernel_size), _key(stride), _key(padding), _key(output_size))
    return _call(options, (input, indices))


def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    output_size: Optional[Sequence[int]] = None,
) -> Array:
    """Puts each value where ``indices`` says, among zeros."""
    options = (_max_unpool3d, _key(kernel_size), _key(stride), _key(padding), _key(output_size))
    return _call(options, (input, indices))


def avg_pool1d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The average of each window."""
    options = (_avg_pool1d, _key(kernel_size), _key(stride), _key(padding), ceil_mode, count_include_pad, None)
    return _call(options, (input,))


def avg_pool2d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Optional[int] = None,
) -> Array:
    """The average of each window.

    >>> volute.avg_pool2d(numpy.ones((1, 1, 4, 4), "f4"), 3, 2, padding=1, count_include_pad=False)
    array([[[[1., 1.],
             [1., 1.]]]], dtype=float32)
    """
    options = (_avg_pool2d, _key(kernel_size), _key(stride), _key(padding), ceil_mode, count_include_pad, divisor_override)
    return _call(options, (input,))


def avg_pool3d(
    input: Array,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: Optional[int] = None,
) -> Array:
    """The average of each window."""
    options = (_avg_pool3d, _key(kernel_size), _key(stride), _key(padding), ceil_mode, count_include_pad, divisor_override)
    return _call(options, (input,))


def lp_pool1d(
    input: Array,
    norm_type: float,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of each window, of |x|: PyTorch takes odd norms of x itself."""
    options = (_lp_pool1d, norm_type, _key(kernel_size), _key(stride), ceil_mode)
    return _call(options, (input,))


def lp_pool2d(
    input: Array,
    norm_type: float,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of each window, of |x|: PyTorch takes odd norms of x itself."""
    options = (_lp_pool2d, norm_type, _key(kernel_size), _key(stride), ceil_mode)
    return _call(options, (input,))


def lp_pool3d(
    input: Array,
    norm_type: float,
    kernel_size: Numbers,
    stride: Optional[Numbers] = None,
    ceil_mode: bool = False,
) -> Array:
    """The norm of each window, of |x|: PyTorch takes odd norms of x itself."""
    options = (_lp_pool3d, norm_type, _key(kernel_size), _key(stride), ceil_mode)
    return _call(options, (input,))


def adaptive_avg_pool1d(input: Array, output_size: Numbers) -> Array:
    """The average of as many windows as ``output_size`` says."""
    return _call((_adaptive_avg_pool1d, _key(output_size), False), (input,))


def adaptive_max_pool1d(input: Array, output_size: Numbers, return_indices: bool = False) -> Any:
    """The largest of as many windows as ``output_size`` says; with ``return_indices`` also where it lies.

    >>> volute.adaptive_max_pool1d(numpy.array([[[1, 5, 2, 2]]], "f4"), 2, return_indices=True)
    (array([[[5., 2.]]], dtype=float32), array([[[1, 2]]]))
    """
    return _call((_adaptive_max_pool1d, _key(output_size), return_indices), (input,))


def adaptive_max_pool1d_with_indices(
    input: Array, output_size: Numbers, return_indices: bool = False
) -> Tuple[Array, Array]:
    """``adaptive_max_pool1d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = adaptive_max_pool1d(input, output_size, True)
    return both


def adaptive_avg_pool2d(input: Array, output_size: Union[int, Sequence[Optional[int]]]) -> Array:
    """The average of as many windows as ``output_size`` says.

    >>> volute.adaptive_avg_pool2d(numpy.ones((1, 8, 7, 9), "f4"), (1, None)).shape
    (1, 8, 1, 9)
    """
    return _call((_adaptive_avg_pool2d, _key(output_size), False), (input,))


def adaptive_max_pool2d(
    input: Array, output_size: Union[int, Sequence[Optional[int]]], return_indices: bool = False
) -> Any:
    """The largest of as many windows as ``output_size`` says; with ``return_indices`` also where it lies."""
    return _call((_adaptive_max_pool2d, _key(output_size), return_indices), (input,))


def adaptive_max_pool2d_with_indices(
    input: Array, output_size: Union[int, Sequence[Optional[int]]], return_indices: bool = False
) -> Tuple[Array, Array]:
    """``adaptive_max_pool2d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = adaptive_max_pool2d(input, output_size, True)
    return both


def adaptive_avg_pool3d(input: Array, output_size: Union[int, Sequence[Optional[int]]]) -> Array:
    """The average of as many windows as ``output_size`` says."""
    return _call((_adaptive_avg_pool3d, _key(output_size), False), (input,))


def adaptive_max_pool3d(
    input: Array, output_size: Union[int, Sequence[Optional[int]]], return_indices: bool = False
) -> Any:
    """The largest of as many windows as ``output_size`` says; with ``return_indices`` also where it lies."""
    return _call((_adaptive_max_pool3d, _key(output_size), return_indices), (input,))


def adaptive_max_pool3d_with_indices(
    input: Array, output_size: Union[int, Sequence[Optional[int]]], return_indices: bool = False
) -> Tuple[Array, Array]:
    """``adaptive_max_pool3d(..., return_indices=True)``."""
    both: Tuple[Array, Array] = adaptive_max_pool3d(input, output_size, True)
    return both


# ---- normalisation, padding and element-wise functions ---------------------------------------------


def batch_norm(
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Optional[Array] = None,
    bias: Optional[Array] = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Inference: (x - running_mean) / sqrt(running_var + eps) * weight + bias, a number a channel.

    >>> x = numpy.full((1, 2, 1, 1), 3, "f4")
    >>> mean, var = numpy.array([1, 3], "f4"), numpy.array([4, 4], "f4")
    >>> volute.batch_norm(x, mean, var, eps=0).ravel()
    array([1., 0.], dtype=float32)
    """
    if training:
        raise NotImplementedError(
            "batch_norm: training = True takes the statistics of the batch, and Volute is for inference: "
            "those that are given are taken, as by module.eval()"
        )
    if weight is None or bias is None:
        like = running_mean
        one = like * 0 + 1
        weight = one if weight is None else weight
        bias = like * 0 if bias is None else bias
    statement = f"batch_norm %x, %scale, %shift, %mean, %var {{epsilon = {_attribute(float(eps))}}}"
    options = (_elementwise["batch_norm"], statement, ("scale", "shift", "mean", "var"))
    return _call(options, (input, weight, bias, running_mean, running_var))


class _Pad(_Function):
    def __init__(self) -> None:
        super().__init__("pad", 3)

    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        pads, mode, value = options
        rank = _rank(arrays[0])
        padded = len(pads) // 2
        # Which letters the axes have is of no matter to padding: as many as are needed are of space.
        spatial = max(padded, rank - 2, 1)
        if len(pads) % 2 or not 1 <= padded <= min(rank, 3) or spatial > 3:
            raise Error(
                f"pad: {len(pads)} numbers do not pad an array of {rank} axes: two for each of its last one "
                "to three axes, the last axis first, of at most five"
            )
        if mode != "zeros" and rank not in (padded + 1, padded + 2):  # as PyTorch has it
            raise Error(
                f"pad: mode {mode} pads all spatial axes of an array: {2 * (rank - 2)} numbers for {rank} axes, "
                f"or {2 * (rank - 1)} without a batch, not {len(pads)}"
            )
        letters = "nc" + "dhw"[3 - spatial:]
        pads = (*pads, *([0] * (2 * (spatial - padded))))
        # PyTorch's list begins with the last axis.
        sides = [(pads[2 * i], pads[2 * i + 1]) for i in reversed(range(spatial))]
        given = _attributes(pad=sides, mode=mode if mode != "zeros" else None, value=value)
        return _kernel(self.name, [_Operand(arrays[0], letters, "x")], f"pad %x{given}", letters)


_pad = _Pad()


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: Optional[float] = None) -> Array:
    """Pads the last axes, or crops them where a number is below 0; the last axis comes first.

    >>> volute.pad(numpy.array([[[1, 2, 3]]], "f4"), (1, 2), mode="reflect")
    array([[[2., 1., 2., 3., 2., 1.]]], dtype=float32)
    """
    if mode == "constant":
        mode = "zeros"
    elif value is not None:
        raise ValueError(f"pad: mode {mode} takes no value")
    return _call((_pad, tuple(pad), mode, None if not value else float(value)), (input,))


_elementwise = {
    name: _Elementwise(name)
    for name in ("batch_norm", "relu", "relu6", "leaky_relu", "elu", "prelu", "sigmoid", "tanh", "silu",
                 "hardsigmoid", "hardswish", "hardtanh", "mish", "gelu")
}  # fmt: skip


def _unary(name: str, input: Array, inplace: bool = False, operator: str = "", **given: Any) -> Array:
    statement = f"{operator or name} %x{_attributes(**given)}"
    return _call((_elementwise[name], statement, ()), (input,), input if inplace else None)


def relu(input: Array, inplace: bool = False) -> Array:
    """max(0, x), of arrays of up to 5 axes."""
    return _unary("relu", input, inplace)


def relu6(input: Array, inplace: bool = False) -> Array:
    """min(6, max(0, x)), of arrays of up to 5 axes."""
    return _unary("relu6", input, inplace)


def silu(input: Array, inplace: bool = False) -> Array:
    """x sigmoid(x), of arrays of up to 5 axes."""
    return _unary("silu", input, inplace)


def hardsigmoid(input: Array, inplace: bool = False) -> Array:
    """min(6, max(0, x + 3)) / 6, of arrays of up to 5 axes."""
    return _unary("hardsigmoid", input, inplace)


def hardswish(input: Array, inplace: bool = False) -> Array:
    """x hardsigmoid(x), of arrays of up to 5 axes."""
    return _unary("hardswish", input, inplace)


def mish(input: Array, inplace: bool = False) -> Array:
    """x tanh(softplus(x)), of arrays of up to 5 axes."""
    return _unary("mish", input, inplace)


def sigmoid(input: Array) -> Array:
    """1 / (1 + exp(-x)), of arrays of up to 5 axes."""
    return _unary("sigmoid", input)


def tanh(input: Array) -> Array:
    """The hyperbolic tangent, of arrays of up to 5 axes."""
    return _unary("tanh", input)


def leaky_relu(input: Array, negative_slope: float = 0.01, inplace: bool = False) -> Array:
    """x where it is above 0, else negative_slope x."""
    return _unary("leaky_relu", input, inplace, slope=float(negative_slope))


def elu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    """x where it is above 0, else alpha (exp(x) - 1)."""
    return _unary("elu", input, inplace, alpha=float(alpha))


def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    """min(max_val, max(min_val, x)).

    >>> volute.hardtanh(numpy.array([-3, 0.5, 7], "f4"), max_val=6)
    array([-1. ,  0.5,  6. ], dtype=float32)
    """
    return _unary("hardtanh", input, inplace, "clamp", min=float(min_val), max=float(max_val))


def gelu(input: Array, approximate: str = "none") -> Array:
    """x times the normal distribution's function of x; ``approximate`` is none or tanh."""
    return _unary("gelu", input, approximate=approximate)


class _Softplus(_Function):
    def __init__(self) -> None:
        super().__init__("softplus", 1)

    def compile(self, arrays: Tuple[Array, ...], *options: Any) -> Kernel:
        (beta,) = options
        letters = _letters_of(self.name, _rank(arrays[0]))
        operand = _Operand(arrays[0], letters, "x")
        if beta == 1:
            return _kernel(self.name, [operand], "softplus %x", letters)
        sizes = dict(re.findall(r"([a-z])=(\d+)", operand.type))
        channels = int(sizes["c"])

        def every(value: float) -> str:  # a number for each channel
            return f"const [{', '.join([_attribute(value)] * channels)}] : {operand.element}[c={channels}]"

        return _kernel(self.name, [operand], "mul %of_scaled, %back", letters, before=[
            f"%beta = {every(beta)}", f"%back = {every(1 / beta)}",
            "%scaled = mul %x, %beta", "%of_scaled = softplus %scaled",
        ])  # fmt: skip


_softplus = _Softplus()


def softplus(input: Array, beta: float = 1, threshold: float = 20) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above 20, the only threshold.

    >>> volute.softplus(numpy.array([0, 30], "f4"), beta=2)
    array([ 0.3465736, 30.       ], dtype=float32)
    """
    if threshold != 20:
        raise NotImplementedError(
            f"softplus: threshold = {threshold} is not 20, above which the language's softplus is x itself"
        )
    if not beta:
        raise Error("softplus: beta = 0, and it is divided by")
    return _call((_softplus, float(beta)), (input,))


def prelu(input: Array, weight: Array) -> Array:
    """x where it is above 0, else weight x; one weight, or one a channel."""
    return _call((_elementwise["prelu"], "prelu %x, %slope", ("slope",)), (input, weight))
