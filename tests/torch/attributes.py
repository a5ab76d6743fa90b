"""How attributes are written, and the one padding that both the pad operator and convolutions use."""

import torch
import torch.nn.functional as F

TORCH_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate",
              "circular": "circular"}


def put(case, attributes, name, values, default=None):
    """Writes a per-axis attribute: left out where it may be, one number where that says all."""
    values = list(values)
    if default is not None and all(v == default for v in values) and case.rng.random() < 0.7:
        return
    same = all(v == values[0] for v in values)
    attributes[name] = values[0] if same and case.rng.random() < 0.6 else values


def put_pad(case, attributes, pads):
    if all(pad == (0, 0) for pad in pads) and case.rng.random() < 0.7:
        return
    if all(b == e for b, e in pads) and case.rng.random() < 0.7:
        put(case, attributes, "pad", [b for b, _ in pads])
    else:
        attributes["pad"] = [tuple(pad) for pad in pads]


def for_pad(pads):
    """As F.pad takes them: last axis first."""
    return [side for pad in reversed(pads) for side in pad]


def padded(data, pads, mode="zeros", value=0.0):
    """F.pad, its negative sides taken first, as the language has it. Computed in float64."""
    data = data[(...,) + tuple(slice(max(-b, 0), size - max(-e, 0))
                               for (b, e), size in zip(pads, data.shape[2:]))]
    sides = for_pad([(max(b, 0), max(e, 0)) for b, e in pads])
    if all(side == 0 for side in sides):
        return data
    if mode == "zeros":
        return F.pad(data, sides, value=value)
    whole = data.dtype == torch.int64  # the other modes are made for floats; all here are < 2^53
    out = F.pad(data.to(torch.float64), sides, mode=TORCH_MODE[mode])
    return out.to(torch.int64) if whole else out


def span(kernel, dilation):
    return dilation * (kernel - 1) + 1
