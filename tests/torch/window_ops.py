"""Convolutions and pools: each writes its statement into a case and computes it with PyTorch.

PyTorch computes in float64, integers in int64 cut to their width when they are stored. Where the
language is wider than PyTorch (pads on one side, wide pads, |x| in lp_pool, ...) the input is
padded first and PyTorch's operator runs without pads; each such place says so.
"""

import math

import torch
import torch.nn.functional as F

from attributes import for_pad, padded, put, put_pad, span
from case import Refused
from layout import INF, is_float, limits

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX_UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
ADAPTIVE = {
    "adaptive_avg_pool": {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d},
    "adaptive_max_pool": {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d},
}


# ---- convolution --------------------------------------------------------------------------------

def rule_pads(rule, extents, kernel, stride, dilation):
    """The pads that a word stands for (of `same`, PyTorch's are not asked for: it computes them)."""
    pads = []
    for size, k, s, d in zip(extents, kernel, stride, dilation):
        total = max((-(-size // s) - 1) * s + span(k, d) - size, 0)
        less, more = total // 2, total - total // 2
        pads.append((less, more) if rule == "same_upper" else (more, less))
    return pads


def result_element(x, wide):
    if not is_float(x.element):
        return "i32"
    return "f32" if wide else x.element


def conv(case, x, w, b=None, stride=None, pads=None, dilation=None, groups=1, mode="zeros", rule=None,
         x_zero=0, w_zero=(0,), wide=False, shared=False, write=None):
    rank = len(x.space)
    stride, dilation = stride or [1] * rank, dilation or [1] * rank
    pads = pads or [(0, 0)] * rank
    attributes = {}
    put(case, attributes, "stride", stride, 1)
    put(case, attributes, "dilation", dilation, 1)
    if groups != 1 or case.rng.random() < 0.05:
        attributes["groups"] = groups
    if mode != "zeros" or case.rng.random() < 0.05:
        attributes["padding_mode"] = mode
    if rule:
        attributes["pad"] = rule
        if rule in ("same_upper", "same_lower"):
            pads = rule_pads(rule, x.extents(), w.extents(), stride, dilation)
    else:
        put_pad(case, attributes, pads)
    zeros(case, attributes, x_zero, w_zero)

    data, weight = case.read(x, False), case.read(w, False)
    if not is_float(x.element):
        data = data - x_zero
        weight = weight - torch.tensor(w_zero).reshape([-1] + [1] * (rank + 1))
    bias = case.read(b, False) if b else None
    run = CONV[rank]
    if rule == "same" and mode == "zeros":
        y = run(data, weight, bias, padding="same", dilation=dilation, groups=groups)
    elif rule == "same":
        sides = [(span(k, d) - 1 >> 1, span(k, d) - 1 - (span(k, d) - 1 >> 1))
                 for k, d in zip(w.extents(), dilation)]
        y = run(padded(data, sides, mode), weight, bias, dilation=dilation, groups=groups)
    elif mode == "zeros" and all(begin == end for begin, end in pads):
        y = run(data, weight, bias, stride, [begin for begin, _ in pads], dilation, groups)
    else:
        y = run(padded(data, pads, mode), weight, bias, stride, 0, dilation, groups)
    ulps, scale = x.ulps, 0.0
    if ulps:
        scale = float(run(padded(data.abs() + x.scale, pads, mode), weight.abs(), None, stride, 0,
                          dilation, groups).max())
        ulps += math.log2(1 + weight[0].numel())
    return case.apply("conv", [x, w] + ([b] if b else []), attributes, result_element(x, wide), y,
                      ulps, scale, shared, True if wide else write)


def zeros(case, attributes, x_zero, w_zero):
    if x_zero:
        attributes["x_zero_point"] = x_zero
    if any(w_zero):
        attributes["w_zero_point"] = list(w_zero) if len(w_zero) > 1 else w_zero[0]


def conv_transpose(case, x, w, b=None, stride=None, pads=None, output_padding=None, dilation=None,
                   groups=1, x_zero=0, w_zero=(0,), wide=False, shared=False):
    """Pads that differ are cut from a result without any, as the definition has it: each side
    takes away what it says, and output_padding adds at the end."""
    rank = len(x.space)
    stride, dilation = stride or [1] * rank, dilation or [1] * rank
    pads, extra = pads or [(0, 0)] * rank, output_padding or [0] * rank
    attributes = {}
    put(case, attributes, "stride", stride, 1)
    put(case, attributes, "dilation", dilation, 1)
    put(case, attributes, "output_padding", extra, 0)
    if groups != 1:
        attributes["groups"] = groups
    put_pad(case, attributes, pads)
    zeros(case, attributes, x_zero, w_zero)

    data = case.read(x, False) - x_zero
    weight = case.read(w, False).transpose(0, 1).contiguous()  # o i ... -> i o ...
    if len(w_zero) > 1:  # of all output channels, group by group
        zero = torch.tensor(w_zero).reshape(groups, -1).repeat_interleave(x.size("c") // groups, 0)
        weight = weight - zero.reshape(list(weight.shape[:2]) + [1] * rank)
    elif any(w_zero):
        weight = weight - w_zero[0]
    for size, k, s, d, (begin, end), more in zip(x.extents(), w.extents(), stride, dilation, pads,
                                                 extra):
        if (size - 1) * s - begin - end + span(k, d) + more < 1:
            raise Refused
    bias = case.read(b, False) if b else None
    run = CONV_TRANSPOSE[rank]
    if all(begin == end for begin, end in pads):
        y = run(data, weight, bias, stride, [begin for begin, _ in pads], extra, groups, dilation)
    else:
        y = run(data, weight, bias, stride, 0, extra, groups, dilation)
        y = y[(...,) + tuple(slice(begin, size - end)
                             for (begin, end), size in zip(pads, y.shape[2:]))]
    return case.apply("conv_transpose", [x, w] + ([b] if b else []), attributes,
                      result_element(x, wide), y, shared=shared, write=True if wide else None)


# ---- pooling ------------------------------------------------------------------------------------

class Windows:
    """The windows of a pool along every axis, and the input extended to hold them exactly."""

    def __init__(self, x, kernel, stride, pads, dilation, ceil_mode):
        self.kernel, self.stride, self.dilation, self.pads = kernel, stride, dilation, pads
        self.extents = x.extents()
        self.outputs, self.reach = [], []
        for size, k, s, d, (b, e) in zip(self.extents, kernel, stride, dilation, pads):
            room = size + b + e - span(k, d)
            if room < 0:
                raise Refused
            outputs = (-(-room // s) if ceil_mode else room // s) + 1
            if ceil_mode and (outputs - 1) * s >= size + b:
                outputs -= 1
            if b >= span(k, d) or (outputs - 1) * s - b >= size:
                raise Refused  # a window outside the input
            self.outputs.append(outputs)
            self.reach.append((outputs - 1) * s + span(k, d))  # from the begin of the padding

    def extend(self, data, value):
        """The padded input, as long as the windows reach."""
        sides = [(b, reach - b - size)
                 for (b, _), size, reach in zip(self.pads, self.extents, self.reach)]
        return F.pad(data, for_pad(sides), value=value)

    def sum(self, extended):
        """Sums over the windows: a convolution of every channel with ones."""
        channels, rank = extended.shape[1], len(self.kernel)
        ones = torch.ones([channels, 1] + self.kernel, dtype=extended.dtype)
        return CONV[rank](extended, ones, None, self.stride, 0, self.dilation, channels)

    def count(self, x_data, with_padding):
        """Taps of each window inside the input, or inside it and its padding."""
        shape = [1, 1] + self.extents
        inside = torch.ones(shape, dtype=torch.float64)
        if with_padding:
            inside = F.pad(inside, for_pad(self.pads), value=1.0)
            sides = [(0, reach - b - size - e) for (b, e), size, reach
                     in zip(self.pads, self.extents, self.reach)]
            return self.sum(F.pad(inside, for_pad(sides)))
        return self.sum(self.extend(inside, 0.0))

    def torch_takes_pads(self):
        return all(b == e and b <= k // 2 for (b, e), k in zip(self.pads, self.kernel))


def pool_attributes(case, kernel, stride, pads, dilation, ceil_mode):
    attributes = {}
    put(case, attributes, "kernel", kernel)
    if stride != kernel or case.rng.random() < 0.3:
        put(case, attributes, "stride", stride)
    put_pad(case, attributes, pads)
    put(case, attributes, "dilation", dilation, 1)
    if ceil_mode or case.rng.random() < 0.05:
        attributes["ceil_mode"] = ceil_mode
    return attributes


def max_pool(case, x, kernel, stride=None, pads=None, dilation=None, ceil_mode=False, indices=False,
             rule=None, shared=False):
    """Pads that PyTorch refuses become -inf in front of the operator; a window whose taps all miss
    the input has index -1 here and an index out of range there."""
    rank = len(kernel)
    stride, dilation = stride or kernel, dilation or [1] * rank
    pads = pads or [(0, 0)] * rank
    if rule:
        pads = same_pads(rule, x, kernel, stride, dilation)
    windows = Windows(x, kernel, stride, pads, dilation, ceil_mode)
    attributes = pool_attributes(case, kernel, stride, [(0, 0)] * rank if rule else pads, dilation,
                                 ceil_mode)
    if rule:
        attributes["pad"] = rule

    data = case.read(x, False).to(torch.float64)
    if windows.torch_takes_pads():
        y, at = MAX_POOL[rank](data, kernel, stride, [b for b, _ in pads], dilation, ceil_mode, True)
    else:
        if torch.isinf(data).any() and (data == -INF).any() and indices:
            raise Refused  # an index into the padding that was put there
        extended = windows.extend(data, -INF)
        y, at = MAX_POOL[rank](extended, kernel, stride, 0, dilation, False, True)
        at = unpadded(at, list(extended.shape[2:]), windows)
    empty = (windows.count(data, False) == 0).expand_as(y)
    at = torch.where(empty, torch.full_like(at, -1), at)
    if not is_float(x.element):
        y = torch.where(empty, torch.full_like(y, 0.0), y).to(torch.int64)
        y = torch.where(empty, torch.full_like(y, limits(x.element)[0]), y)
    return case.apply("max_pool", [x], attributes, x.element, y, x.ulps, x.scale, shared,
                      second=at if indices else None)


def unpadded(at, extents, windows):
    """Indices into the extended input as indices into the input."""
    positions = []
    for extent in reversed(extents):
        positions.insert(0, at % extent)
        at = torch.div(at, extent, rounding_mode="floor")
    flat = torch.zeros_like(positions[0])
    for position, (begin, _), size in zip(positions, windows.pads, windows.extents):
        flat = flat * size + position - begin
    return flat


def same_pads(rule, x, kernel, stride, dilation):
    if rule == "valid":
        return [(0, 0)] * len(kernel)
    if rule == "same":
        sides = [span(k, d) - 1 for k, d in zip(kernel, dilation)]
        return [(total // 2, total - total // 2) for total in sides]
    return rule_pads(rule, x.extents(), kernel, stride, dilation)


def avg_pool(case, x, kernel, stride=None, pads=None, dilation=None, ceil_mode=False,
             include_pad=True, divisor=None, rule=None):
    """Where PyTorch takes the configuration it computes the whole; else it computes the sums and
    the number of taps, both as convolutions with ones."""
    rank = len(kernel)
    stride, dilation = stride or kernel, dilation or [1] * rank
    pads = pads or [(0, 0)] * rank
    if rule:
        pads = same_pads(rule, x, kernel, stride, dilation)
    windows = Windows(x, kernel, stride, pads, dilation, ceil_mode)
    attributes = pool_attributes(case, kernel, stride, [(0, 0)] * rank if rule else pads, dilation,
                                 ceil_mode)
    if rule:
        attributes["pad"] = rule
    if not include_pad or case.rng.random() < 0.1:
        attributes["count_include_pad"] = include_pad
    if divisor is not None:
        attributes["divisor"] = divisor

    data = case.read(x, False)
    fits = all(k <= size for k, size in zip(kernel, x.extents())) or rank < 3
    if windows.torch_takes_pads() and all(d == 1 for d in dilation) and fits and \
            (rank > 1 or divisor is None):
        more = {} if rank == 1 else {"divisor_override": divisor}
        y = AVG_POOL[rank](data, kernel, stride, [b for b, _ in pads], ceil_mode, include_pad, **more)
    else:
        count = windows.count(data, include_pad)
        y = windows.sum(windows.extend(data, 0.0)) / (count if divisor is None else float(divisor))
    # One division of an exact sum, or a product with a rounded reciprocal.
    ulps = 0 if divisor is not None and math.log2(abs(divisor)).is_integer() else 2
    return case.apply("avg_pool", [x], attributes, x.element, y, ulps + x.ulps, x.scale)


def lp_pool(case, x, kernel, stride=None, pads=None, dilation=None, ceil_mode=False, p=2.0):
    """PyTorch's lp_pool omits |x|, takes no pads and scales clipped windows: only the convolution
    of |x|^p with ones is its own."""
    rank = len(kernel)
    stride, dilation = stride or kernel, dilation or [1] * rank
    pads = pads or [(0, 0)] * rank
    windows = Windows(x, kernel, stride, pads, dilation, ceil_mode)
    attributes = pool_attributes(case, kernel, stride, pads, dilation, ceil_mode)
    if p != 2 or case.rng.random() < 0.3:
        attributes["p"] = p if p != int(p) or case.rng.random() < 0.3 else int(p)
    data = case.read(x, False)
    y = windows.sum(windows.extend(data.abs() ** p, 0.0)) ** (1 / p)
    # p = 1 is a sum, p = 2 a square root; else powers, whose exponents lose some bits.
    ulps = {1.0: 0, 2.0: 2}.get(float(p), 32)
    return case.apply("lp_pool", [x], attributes, x.element, y, ulps)


def global_pool(case, x, kind):
    data = case.read(x, False)
    axes = list(range(2, data.dim()))
    if kind == "max":
        return case.apply("global_max_pool", [x], {}, x.element, data.amax(axes, keepdim=True))
    return case.apply("global_avg_pool", [x], {}, x.element, data.mean(axes, keepdim=True),
                      2 + x.ulps, x.scale)


def adaptive_pool(case, x, kind, output, indices=False):
    attributes = {}
    put(case, attributes, "output", output)
    word = f"adaptive_{kind}_pool"
    data = case.read(x, False)
    y = ADAPTIVE[word][len(output)](data.to(torch.float64), output, *[True] * indices)
    y, at = y if indices else (y, None)
    if not is_float(x.element):
        y = y.to(torch.int64)
    return case.apply(word, [x], attributes, x.element, y, 2 if kind == "avg" else 0, second=at)


def max_unpool(case, x, at, kernel, stride=None, pads=None, output_size=None):
    """PyTorch's pads are the same at both ends; where they are not, the output's size is given."""
    rank = len(kernel)
    stride, pads = stride or kernel, pads or [(0, 0)] * rank
    attributes = {}
    put(case, attributes, "kernel", kernel)
    if stride != kernel or case.rng.random() < 0.3:
        put(case, attributes, "stride", stride)
    put_pad(case, attributes, pads)
    natural = [(size - 1) * s - b - e + k
               for size, s, (b, e), k in zip(x.extents(), stride, pads, kernel)]
    if output_size:
        put(case, attributes, "output_size", output_size)
    size = output_size or natural
    if any(v < 1 for v in size):
        raise Refused
    data = case.read(x, False)
    places = case.read(at, False)
    if (places < 0).any() or (places >= math.prod(size)).any():
        raise Refused
    # With stride = kernel = size PyTorch takes any size; the places alone say the rest.
    y = MAX_UNPOOL[rank](data.to(torch.float64), places, kernel, stride, 0,
                         list(data.shape[:2]) + size) if takes_size(x, kernel, stride, size) else \
        scattered(data.to(torch.float64), places, size)
    if not is_float(x.element):
        y = y.to(torch.int64)
    return case.apply("max_unpool", [x, at], attributes, x.element, y)


def takes_size(x, kernel, stride, size):
    natural = [(n - 1) * s + k for n, s, k in zip(x.extents(), stride, kernel)]
    return all(n - s < v < n + s for n, s, v in zip(natural, stride, size))


def scattered(data, places, size):
    flat = torch.zeros(list(data.shape[:2]) + [math.prod(size)], dtype=torch.float64)
    flat.scatter_(2, places.flatten(2), data.flatten(2))
    return flat.reshape(list(data.shape[:2]) + size)
