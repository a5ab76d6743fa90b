"""Volute inside of PyTorch, on the CPU and for inference.

:func:`optimize` gives a module whose convolutions and poolings run on Volute, each with the batch norm,
the activations and the additions behind it in one kernel, and says what it has left as it was:

>>> import torch, volute.torch
>>> net = torch.nn.Sequential(
...     torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
...     torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(8 * 4 * 4, 10)).eval()
>>> fast = volute.torch.optimize(net)
>>> print(volute.torch.report(fast))
on Volute:
  0: conv2d, batch_norm, relu
  3: max_pool2d
left to PyTorch:
  5: Linear is neither a convolution nor a pooling
>>> x = torch.randn(1, 3, 8, 8)
>>> torch.allclose(fast(x), net(x), atol=1e-5)
True

The functions of :mod:`volute.functional` are operators of torch's too, ``torch.ops.volute.conv2d`` and
the rest: with shapes for meta tensors, so that what traces and exports modules knows them.
"""

from __future__ import annotations

import copy
import operator
import re
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
import torch.fx
import torch.nn.functional as F
from torch import nn

from . import _volute, functional
from ._core import Error, Kernel, Options, Program, _attribute, _compile, default_session
from .functional import _attributes, _Operand

__all__ = ["Fused", "optimize", "report"]

_fx: Any = torch.fx  # which says no types of what it exports

# ---- operators of torch's ----------------------------------------------------------------------

_schemas = {
    "conv{n}d": "Tensor input, Tensor weight, Tensor? bias=None, int[{n}] stride=1, int[{n}] padding=0, "
    "int[{n}] dilation=1, int groups=1",
    "conv_transpose{n}d": "Tensor input, Tensor weight, Tensor? bias=None, int[{n}] stride=1, "
    "int[{n}] padding=0, int[{n}] output_padding=0, int groups=1, int[{n}] dilation=1",
    "max_pool{n}d": "Tensor input, int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, "
    "int[{n}] dilation=1, bool ceil_mode=False",
    "avg_pool{n}d": "Tensor input, int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, "
    "bool ceil_mode=False, bool count_include_pad=True",
    "adaptive_avg_pool{n}d": "Tensor input, int[{n}] output_size",
}


def _as_tuples(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lists of torch's as tuples; one number in a list stands for every axis."""

    def call(*arguments: Any) -> Any:
        return function(*(tuple(a) if isinstance(a, list) else a for a in arguments))

    return call


def _register() -> Any:
    library: Any = getattr(torch, "library").Library("volute", "DEF")  # of which not every torch says its types
    for family, schema in _schemas.items():
        for n in (1, 2, 3):
            name = family.format(n=n)
            library.define(f"{name}({schema.format(n=n)}) -> Tensor")
            library.impl(name, _as_tuples(getattr(functional, name)), "CPU")
            # Of tensors without elements PyTorch's own says what comes out. Before 2.0 nothing led
            # from the one key to the other.
            for key in ("Meta", "AutogradMeta"):
                library.impl(name, _as_tuples(getattr(F, name)), key)
    return library


_library = _register()  # which ends its operators with itself

# ---- a kernel as a module -----------------------------------------------------------------------


class _Step:
    """A statement of the program behind the first: its text, its weights, and what it is called."""

    def __init__(self, name: str, text: str, weights: Optional[Dict[str, torch.Tensor]] = None,
                 takes_operand: bool = False) -> None:
        self.name, self.text, self.takes_operand = name, text, takes_operand
        self.weights = weights or {}


class Fused(nn.Module):
    """A convolution or pooling and what follows it, as one kernel for each shape that is met.

    Weights are bound, so they are constants: later changes of the module that they came from are not
    seen. ``forward`` takes the image, then an operand for each addition.
    """

    def __init__(self, name: str, spatial: int, first: _Step, weight_letters: str = "") -> None:
        super().__init__()
        self._name, self._spatial, self._steps = name, spatial, [first]
        self._weight_letters = weight_letters
        self._kernels: Dict[Any, Kernel] = {}
        self._pieces: Optional[List[Optional["Fused"]]] = None

    def append(self, step: _Step) -> None:
        """Adds what follows; before the first call."""
        self._steps.append(step)

    def steps(self) -> List[str]:
        """What it computes, in order."""
        return [step.name for step in self._steps]

    def _compile(self, key: Any, options: Tuple[Any, ...], arrays: Tuple[Any, ...]) -> Kernel:
        letters = "nc" + "dhw"[3 - self._spatial:]
        image = arrays[0]
        if image.dim() not in (len(letters), len(letters) - 1):
            raise functional._wrong_rank(self._name, image.dim(), letters)
        operands = [_Operand(array, letters, "x" if i == 0 else f"r{i}") for i, array in enumerate(arrays)]
        weights: List[Tuple[_Operand, torch.Tensor]] = []
        lines, value, taken = [], "x", 0
        for position, step in enumerate(self._steps):
            names = {"x": f"%{value}"}
            if step.takes_operand:
                taken += 1
                names["r"] = f"%r{taken}"
            for weight_name, tensor in step.weights.items():
                own = f"{weight_name}{position}"
                names[weight_name] = f"%{own}"
                of = self._weight_letters if weight_name == "w" else "o" if weight_name == "b" else "c"
                weights.append((_Operand(tensor, of, own), tensor))
            value = "y" if position == len(self._steps) - 1 else f"v{position}"
            lines.append(f"  %{value} = {step.text.format(**names)}")
        inputs = ", ".join(f"%{o.name}: {o.type}" for o in operands + [o for o, _ in weights])
        text = f"program @{self._name}({inputs}) {{\n" + "\n".join(lines) + "\n  return %y\n}\n"
        strides: Options = [(f"strides.{o.name}", o.strides) for o in operands if o.strides is not None]
        kernel = _compile(default_session(), Program(text, self._name), strides)
        orders = [o.order for o in operands] + [o.order for o, _ in weights]
        missing = operands[0].order.count(-1)
        axes = re.findall(r"([a-z])=", kernel.type("y"))
        orders.append(tuple(max(letters.index(axis) - missing, -1) for axis in axes))
        kernel._set_orders(orders)
        if weights:
            kernel = kernel.bind(**{o.name: tensor for o, tensor in weights})
        self._kernels[key] = kernel
        return kernel

    def kernels(self) -> List[Kernel]:
        """One for each shape that it has met so far."""
        return list(self._kernels.values())

    def forward(self, image: torch.Tensor, *operands: Any) -> torch.Tensor:
        try:
            found: torch.Tensor = _volute.call_cached(self._kernels, self._compile, (), (image, *operands), None)
            return found
        except (Error, TypeError):
            if not operands:
                raise
            # What is added has another shape, is a number, ...: PyTorch has more to add than Volute.
            return self._in_pieces(image, operands)

    def _in_pieces(self, image: torch.Tensor, operands: Tuple[Any, ...]) -> torch.Tensor:
        """A kernel for what is between the additions, and those by PyTorch."""
        if self._pieces is None:
            pieces: List[Optional[Fused]] = [Fused(self._name, self._spatial, self._steps[0],
                                                   self._weight_letters)]
            for step in self._steps[1:]:
                if step.takes_operand:
                    pieces.append(None)
                elif pieces[-1] is None:
                    pieces[-1] = Fused(step.name, self._spatial, step)
                else:
                    pieces[-1].append(step)
            self._pieces = pieces
        value = image
        for piece, operand in zip(self._pieces, (None, *operands)):
            value = value if operand is None else value + operand
            value = value if piece is None else piece(value)
        return value

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Fused":
        made = Fused(self._name, self._spatial, self._steps[0], self._weight_letters)
        made._steps = list(self._steps)  # kernels are made again, weights never change
        return made

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_kernels": {}, "_pieces": None}

    def extra_repr(self) -> str:
        return ", ".join(self.steps())


# ---- what becomes of a module -------------------------------------------------------------------


class _Left(Exception):
    """Why something is left as it was."""


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _is_leaf(module: nn.Module) -> bool:
    """Whether a trace calls it, and does not go into it."""
    return bool(_fx.Tracer().is_leaf_module(module, ""))


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _conv(module: Any, spatial: int) -> Fused:
    transposed = isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d))
    weights = {"w": _dense(module.weight)}
    if module.bias is not None:
        weights["b"] = _dense(module.bias)
    if isinstance(module.padding, str):
        pad: Any = module.padding
    else:
        pad = list(module.padding)
    mode = getattr(module, "padding_mode", "zeros")
    given: Dict[str, Any] = dict(stride=list(module.stride), pad=pad, dilation=list(module.dilation),
                                 groups=module.groups)
    if transposed:
        given["output_padding"] = list(module.output_padding)
    elif mode != "zeros":
        given["padding_mode"] = mode
    name = "conv_transpose" if transposed else "conv"
    operands = ", ".join("{" + n + "}" for n in ("x", *weights))
    # The attributes' braces are not the places of operands.
    attributes = _attributes(**given).replace("{", "{{").replace("}", "}}")
    step = _Step(f"{name}{spatial}d", f"{name} {operands}{attributes}", weights)
    return Fused(f"{name}{spatial}d", spatial, step, ("io" if transposed else "oi") + "dhw"[3 - spatial:])


def _pool(name: str, spatial: int, operator_name: str, **given: Any) -> Fused:
    attributes = _attributes(**given).replace("{", "{{").replace("}", "}}")
    return Fused(name, spatial, _Step(name, f"{operator_name} {{x}}{attributes}"))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value


def _max_pool(module: Any, spatial: int) -> Fused:
    if module.return_indices:
        raise _Left("gives indices")
    return _pool(f"max_pool{spatial}d", spatial, "max_pool", kernel=_listed(module.kernel_size),
                 stride=_listed(module.stride), pad=_listed(module.padding),
                 dilation=_listed(module.dilation), ceil_mode=module.ceil_mode)


def _avg_pool(module: Any, spatial: int) -> Fused:
    return _pool(f"avg_pool{spatial}d", spatial, "avg_pool", kernel=_listed(module.kernel_size),
                 stride=_listed(module.stride), pad=_listed(module.padding), ceil_mode=module.ceil_mode,
                 count_include_pad=module.count_include_pad,
                 divisor=getattr(module, "divisor_override", None))


def _lp_pool(module: Any, spatial: int) -> Fused:
    if module.norm_type not in (2, 4, 6, 8):
        raise _Left(f"its norm {module.norm_type} is of x, and Volute's of |x|")
    return _pool(f"lp_pool{spatial}d", spatial, "lp_pool", kernel=_listed(module.kernel_size),
                 stride=_listed(module.stride), ceil_mode=module.ceil_mode, p=float(module.norm_type))


def _adaptive_size(module: Any) -> Any:
    size = _listed(module.output_size)
    if isinstance(size, list) and None in size:
        raise _Left("its output size follows the input's")
    return size


def _adaptive_avg_pool(module: Any, spatial: int) -> Fused:
    size = _adaptive_size(module)
    return _pool(f"adaptive_avg_pool{spatial}d", spatial, "adaptive_avg_pool", output=size)


def _adaptive_max_pool(module: Any, spatial: int) -> Fused:
    if module.return_indices:
        raise _Left("gives indices")
    size = _adaptive_size(module)
    return _pool(f"adaptive_max_pool{spatial}d", spatial, "adaptive_max_pool", output=size)


_firsts: Dict[type, Tuple[Callable[[nn.Module, int], Fused], int]] = {}
for _n in (1, 2, 3):
    for _prefix, _make in (("Conv", _conv), ("ConvTranspose", _conv), ("MaxPool", _max_pool),
                           ("AvgPool", _avg_pool), ("LPPool", _lp_pool),
                           ("AdaptiveAvgPool", _adaptive_avg_pool),
                           ("AdaptiveMaxPool", _adaptive_max_pool)):
        if hasattr(nn, f"{_prefix}{_n}d"):  # nn.LPPool3d came late
            _firsts[getattr(nn, f"{_prefix}{_n}d")] = (_make, _n)


def _first(module: nn.Module) -> Fused:
    """A convolution or pooling as a kernel; _Left where it is none, or not one that can be."""
    found = _firsts.get(type(module))
    if found is None:
        name = type(module).__name__
        if isinstance(module, (nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d)):
            raise _Left(f"{name} has two inputs")
        if isinstance(module, (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)):
            raise _Left(f"{name} draws its windows at random")
        raise _Left(f"{name} is neither a convolution nor a pooling")
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.device.type != "cpu":
            raise _Left(f"its {name} is on {parameter.device}")
        if parameter.dtype not in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
            raise _Left(f"its {name} is of {parameter.dtype}")
    if _has_hooks(module):
        raise _Left("it has hooks")
    make, spatial = found
    return make(module, spatial)


def _batch_norm(module: Any) -> _Step:
    mean, var = _dense(module.running_mean), _dense(module.running_var)
    scale = torch.ones_like(mean) if module.weight is None else _dense(module.weight)
    shift = torch.zeros_like(mean) if module.bias is None else _dense(module.bias)
    text = ("batch_norm {x}, {scale}, {shift}, {mean}, {var} "
            f"{{{{epsilon = {_attribute(float(module.eps))}}}}}")
    return _Step("batch_norm", text, {"scale": scale, "shift": shift, "mean": mean, "var": var})


def _plain(name: str, **given: Any) -> _Step:
    text = f"{name} {{x}}" + _attributes(**given).replace("{", "{{").replace("}", "}}")
    return _Step(name, text)


_activations: Dict[type, Callable[[Any], _Step]] = {
    nn.ReLU: lambda m: _plain("relu"),
    nn.ReLU6: lambda m: _plain("relu6"),
    nn.LeakyReLU: lambda m: _plain("leaky_relu", slope=float(m.negative_slope)),
    nn.ELU: lambda m: _plain("elu", alpha=float(m.alpha)),
    nn.Hardtanh: lambda m: _plain("clamp", min=float(m.min_val), max=float(m.max_val)),
    nn.Sigmoid: lambda m: _plain("sigmoid"),
    nn.Tanh: lambda m: _plain("tanh"),
    nn.SiLU: lambda m: _plain("silu"),
    nn.Hardsigmoid: lambda m: _plain("hardsigmoid"),
    nn.Hardswish: lambda m: _plain("hardswish"),
    nn.Mish: lambda m: _plain("mish"),
    nn.GELU: lambda m: _plain("gelu", approximate=m.approximate),
}

# Functions as traced modules call them: of one argument, or with inplace beside it.
_functions: Dict[Any, str] = {
    F.relu: "relu", torch.relu: "relu", F.relu6: "relu6", F.silu: "silu", torch.sigmoid: "sigmoid",
    torch.tanh: "tanh", F.hardswish: "hardswish", F.hardsigmoid: "hardsigmoid", F.mish: "mish",
}  # fmt: skip
_methods = {"relu": "relu", "relu_": "relu", "sigmoid": "sigmoid", "tanh": "tanh"}
_additions = (operator.add, operator.iadd, torch.add)


def _follows(module: Any) -> Optional[_Step]:
    """What can be computed where the value is made, or nothing."""
    if _has_hooks(module):
        return None
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        # One that takes the batch's own statistics is no constant.
        return None if module.training or module.running_mean is None else _batch_norm(module)
    make = _activations.get(type(module))
    return make(module) if make else None


_silent = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d, nn.Flatten, nn.Sequential, nn.ModuleList,
           nn.ModuleDict)


class _Report:
    def __init__(self) -> None:
        self.taken: List[Tuple[str, Fused]] = []
        self.left: List[Tuple[str, str]] = []

    def __str__(self) -> str:
        text = ["on Volute:"] + [f"  {name}: {', '.join(fused.steps())}" for name, fused in self.taken]
        text += ["left to PyTorch:"] + [f"  {name}: {why}" for name, why in self.left]
        return "\n".join(text)


def report(module: nn.Module) -> str:
    """What :func:`optimize` has put on Volute, and what it has left and why."""
    return str(module._volute_report)


def optimize(module: nn.Module) -> nn.Module:
    """A module that computes the same for inference, with convolutions and poolings on Volute.

    The module is traced (``torch.fx``), so that what follows a convolution is found wherever it stands:
    batch norms, activations, additions of another value are computed in its kernel. A module that
    cannot be traced, because what it does depends on its values, has its convolutions, poolings and
    ``nn.Sequential`` chains replaced where they stand. The module that is given stays as it is, and
    its weights are copied. :func:`report` says what was left, and why.
    """
    if module.training:
        raise ValueError("volute.torch.optimize is for inference: call module.eval() first")
    made: Any = copy.deepcopy(module)
    told = _Report()
    try:
        hooked = [name for name, m in made.named_modules() if _has_hooks(m) and not _is_leaf(m)]
        if hooked:  # which a trace goes past
            raise _Left(f"{hooked[0] or 'it'} has hooks")
        traced = _fx.symbolic_trace(made)
    except Exception as failure:  # whatever the module's own code makes of values that are not there
        told.left.append(("the whole", f"cannot be traced ({failure}): its parts are taken one by one"))
        made = _replace_parts(made, told)
    else:
        made = _replace_nodes(traced, told)
    made._volute_report = told
    made.eval()
    result: nn.Module = made
    return result


# -- a traced module --


def _module_of(graph_module: Any, node: Any) -> Optional[nn.Module]:
    if node.op != "call_module":
        return None
    found: nn.Module = graph_module.get_submodule(node.target)
    return found


def _only_user(node: Any) -> Optional[Any]:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _step_of(graph_module: Any, node: Any, value: Any) -> Optional[Tuple[_Step, List[Any]]]:
    """The step that a node is on a value, and the other value where it adds one."""
    inner = _module_of(graph_module, node)
    if inner is not None:
        step = _follows(inner)
        return (step, []) if step and len(node.args) == 1 and not node.kwargs else None
    if node.op == "call_function" and node.target in _additions:
        others = [a for a in node.args if a is not value]
        plain = len(node.args) == 2 and not node.kwargs and len(others) == 1
        if plain and isinstance(others[0], _fx.Node):
            return _Step("add", "add {x}, {r}", takes_operand=True), others
        return None
    plain = len(node.args) == 1 and set(node.kwargs) <= {"inplace"}
    if node.op == "call_function" and plain and node.target in _functions:
        return _plain(_functions[node.target]), []
    if node.op == "call_method" and plain and node.target in _methods:
        return _plain(_methods[node.target]), []
    return None


def _replace_nodes(graph_module: Any, told: _Report) -> nn.Module:
    graph = graph_module.graph
    order = {node: i for i, node in enumerate(graph.nodes)}
    targets: Dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            targets[node.target] = targets.get(node.target, 0) + 1
    used = set()
    for node in list(graph.nodes):
        inner = _module_of(graph_module, node)
        if inner is None or node in used:
            continue
        name = str(node.target)
        try:
            fused = _first(inner)
            if len(node.args) != 1 or node.kwargs:
                raise _Left("it is called with more than an image")
        except _Left as left:
            if not isinstance(inner, _silent):
                told.left.append((name, str(left)))
            continue
        operands, last = [node.args[0]], node
        while (following := _only_user(last)) is not None:
            found = _step_of(graph_module, following, last)
            if found is None:
                break
            step, others = found
            operands += others
            fused.append(step)
            used.add(following)
            last = following
        # A chain of its own for each place that it is called from, behind all that it takes.
        target = f"{name}_volute" if targets[name] == 1 else f"{name}_volute_{order[node]}"
        target = target.replace(".", "_")
        graph_module.add_submodule(target, fused)
        with graph.inserting_before(last):
            call = graph.call_module(target, tuple(operands))
        last.replace_all_uses_with(call)
        told.taken.append((name, fused))
    told.left = [(name, why) for name, why in told.left
                 if not any(str(node.target) == name for node in used)]
    graph.eliminate_dead_code()
    graph_module.delete_all_unused_submodules()
    graph.lint()
    graph_module.recompile()
    replaced: nn.Module = graph_module
    return replaced


# -- one that cannot be traced --


def _replace_parts(module: nn.Module, told: _Report, prefix: str = "") -> nn.Module:
    try:
        fused = _first(module)
    except _Left as left:
        why = str(left)
    else:
        told.taken.append((prefix or "the whole", fused))
        return fused
    children = list(module.named_children())
    if not children and not isinstance(module, _silent):
        told.left.append((prefix or "the whole", why))
    behind: Optional[Fused] = None
    for name, child in children:
        path = f"{prefix}.{name}" if prefix else name
        # Only of a chain is it known what follows what.
        step = _follows(child) if behind is not None and type(module) is nn.Sequential else None
        if step is not None and behind is not None:
            behind.append(step)
            setattr(module, name, nn.Identity())
            continue
        made = _replace_parts(child, told, path)
        setattr(module, name, made)
        behind = made if isinstance(made, Fused) else None
    return module
