#!/usr/bin/env python3
"""Writes the suites beside it, one program file a network, from the tables below.

    bench/suites/generate.py            writes them
    bench/suites/generate.py --check    says which differ from what would be written

A row is a layer as inference runs it: bias and activation included, batch norm folded into both. Its
name says the shape: operator, kernel, s stride, d dilation, g groups, channels in and out (once where
they are the same channel by channel), image, b batch, type, layout. A layer that a network uses more
than once says so in a line before it, which the benchmark's sums over a network count by.
"""
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
AXES = {1: "w", 2: "hw", 3: "dhw"}


def per_axis(value, rank):
    return list(value) if isinstance(value, (tuple, list)) else [value] * rank


def joined(values):
    return "x".join(str(v) for v in values)


def image_name(image):
    """16x112 for 16 frames of 112 x 112."""
    if len(image) > 1 and image[-1] == image[-2]:
        image = image[:-1]
    return joined(image)


def number_list(values):
    return str(values[0]) if len(set(values)) == 1 else "[" + ", ".join(str(v) for v in values) + "]"


def pads_text(pads):
    if all(begin == end for begin, end in pads):
        return number_list([begin for begin, _ in pads])
    return "[" + ", ".join(f"({begin}, {end})" for begin, end in pads) + "]"


class Layer:
    def __init__(self, operator, image, channels, kernel, outputs=None, *, rank=2, stride=1, pad=0, dilation=1,
                 groups=1, bias=True, then="relu", times=1, batch=1, element="f32", extra=""):
        self.operator, self.channels, self.outputs = operator, channels, outputs or channels
        self.image, self.kernel = per_axis(image, rank), per_axis(kernel, rank)
        self.stride, self.dilation = per_axis(stride, rank), per_axis(dilation, rank)
        pads = per_axis(pad, rank)
        self.pads = [p if isinstance(p, tuple) else (p, p) for p in pads]
        self.groups, self.bias, self.then = groups, bias, then
        self.times, self.batch, self.element, self.extra, self.rank = times, batch, element, extra, rank
        self.only = None  # in one layout, where a suite wants it in no other

    def with_element(self, element):
        copy = Layer.__new__(Layer)
        copy.__dict__.update(self.__dict__, element=element, times=1)
        if element == "u8i8i32":
            copy.bias, copy.then = False, None
        return copy

    @property
    def is_depthwise(self):
        return self.groups == self.channels == self.outputs and self.groups > 1

    def base_name(self):
        words = {"conv": "dw" if self.is_depthwise else "conv", "conv_transpose": "convt", "max_pool": "max",
                 "avg_pool": "avg", "global_avg_pool": "gap"}
        name = words[self.operator]
        if self.operator != "global_avg_pool":
            name += joined(self.kernel)
        if set(self.stride) != {1}:
            name += "s" + (str(self.stride[0]) if len(set(self.stride)) == 1 else joined(self.stride))
        if set(self.dilation) != {1}:
            name += "d" + str(self.dilation[0])
        if self.groups > 1 and not self.is_depthwise:
            name += f"g{self.groups}"
        if "ceil_mode" in self.extra:
            name += "ceil"
        if "count_include_pad" in self.extra:
            name += "x"
        name += f"_{self.channels}"
        if self.operator in ("conv", "conv_transpose") and not self.is_depthwise:
            name += f"_{self.outputs}"
        name += "_" + image_name(self.image)
        if self.batch > 1:
            name += f"_b{self.batch}"
        if self.element != "f32":
            name += "_" + self.element
        return name

    def layouts(self):
        """Of one channel, both layouts are the same memory."""
        if self.only:
            return [self.only]
        return ["first"] if self.channels == self.outputs == 1 else ["first", "last"]

    def activation_type(self, element, channels, image, layout):
        space = [f"{a}={e}" for a, e in zip(AXES[self.rank], image)]
        parts = [f"n={self.batch}", f"c={channels}", *space] if layout == "first" else \
            [f"n={self.batch}", *space, f"c={channels}"]
        return f"{element}[{', '.join(parts)}]"

    def output_image(self):
        sizes = []
        for i, k, s, d, (begin, end) in zip(self.image, self.kernel, self.stride, self.dilation, self.pads):
            span = (k - 1) * d + 1
            if self.operator == "conv_transpose":
                sizes.append((i - 1) * s + span - begin - end)
            else:
                sizes.append((i + begin + end - span) // s + 1)
        return sizes

    def program(self, layout):
        suffix = {1: ("ncw", "nwc"), 2: ("nchw", "nhwc"), 3: ("ncdhw", "ndhwc")}[self.rank][layout == "last"]
        suffix = "" if self.channels == self.outputs == 1 else "_" + suffix
        x, w = {"f32": ("f32", "f32"), "bf16": ("bf16", "bf16")}.get(self.element, ("u8", "i8"))
        bias = {"f32": "f32", "bf16": "bf16"}.get(self.element, "i32")
        inputs = ["%x: " + self.activation_type(x, self.channels, self.image, layout)]
        operands = "%x"
        is_conv = self.operator in ("conv", "conv_transpose")
        if is_conv:
            taps = [f"{a}={k}" for a, k in zip(AXES[self.rank], self.kernel)]
            if self.operator == "conv":
                extents = [f"o={self.outputs}", f"i={self.channels // self.groups}", *taps]
            else:
                extents = [f"i={self.channels}", f"o={self.outputs // self.groups}", *taps]
            inputs.append(f"%w: {w}[{', '.join(extents)}]")
            operands += ", %w"
            if self.bias:
                inputs.append(f"%b: {bias}[o={self.outputs}]")
                operands += ", %b"
        attributes = []
        if self.operator in ("max_pool", "avg_pool"):
            attributes.append("kernel = " + number_list(self.kernel))
        # A pool's stride is its kernel where none is written.
        written = self.stride != (self.kernel if self.operator.endswith("pool") else [1] * self.rank)
        if written and self.operator != "global_avg_pool":
            attributes.append("stride = " + number_list(self.stride))
        if any(p != (0, 0) for p in self.pads):
            attributes.append("pad = " + pads_text(self.pads))
        if set(self.dilation) != {1}:
            attributes.append("dilation = " + number_list(self.dilation))
        if self.groups > 1:
            attributes.append(f"groups = {self.groups}")
        if self.extra:
            attributes.append(self.extra)
        steps = [self.operator + " " + operands + (" {" + ", ".join(attributes) + "}" if attributes else "")]
        if self.then and is_conv:
            steps.append(self.then)
        if self.element == "u8i8u8":
            to = self.activation_type("u8", self.outputs, self.output_image(), layout)
            # Sums of numbers in 0..255 by numbers around 0 spread as the root of how many there are.
            scale = 0.012 / math.sqrt(self.channels // self.groups * math.prod(self.kernel))
            steps = steps[:1] + [f"requantize {{scale = {scale:.3g}, zero_point = 0}} : " + to]
        lines = []
        if self.times > 1:
            lines.append(f"// used {self.times} times")
        lines.append(f"program @{self.base_name()}{suffix}({inputs[0]}" + ("," if len(inputs) > 1 else ") {"))
        if len(inputs) > 1:
            lines.append("    " + ", ".join(inputs[1:]) + ") {")
        for i, step in enumerate(steps):
            result = "%y" if i == len(steps) - 1 else f"%{i}"
            if i > 0:
                word, _, rest = step.partition(" ")
                step = f"{word} %{i - 1}" + (" " + rest if rest else "")
            lines.append(f"  {result} = {step}")
        return "\n".join([*lines, "  return %y", "}"]) + "\n"


def conv(channels, outputs, kernel, image, **more):
    return Layer("conv", image, channels, kernel, outputs, **more)


def same(channels, outputs, kernel, image, **more):
    """A convolution padded by half its kernel."""
    rank = more.get("rank", 2)
    return conv(channels, outputs, kernel, image, pad=[k // 2 for k in per_axis(kernel, rank)], **more)


def dw(channels, kernel, image, **more):
    pad = more.pop("pad", kernel // 2)
    return conv(channels, channels, kernel, image, groups=channels, pad=pad, **more)


def pw(channels, outputs, image, **more):
    return conv(channels, outputs, 1, image, **more)


def up(channels, outputs, kernel, image, **more):
    return Layer("conv_transpose", image, channels, kernel, outputs, **more)


def max_pool(channels, kernel, image, **more):
    return Layer("max_pool", image, channels, kernel, stride=more.pop("stride", kernel), **more)


def avg_pool(channels, kernel, image, **more):
    return Layer("avg_pool", image, channels, kernel, stride=more.pop("stride", kernel), **more)


def gap(channels, image, **more):
    return Layer("global_avg_pool", image, channels, image, **more)


def resnet50():
    rows = [same(3, 64, 7, 224, stride=2), max_pool(64, 3, 112, stride=2, pad=1)]
    rows += [pw(64, 64, 56), same(64, 64, 3, 56, times=3), pw(64, 256, 56, times=4), pw(256, 64, 56, times=2)]
    for inner, image, blocks in ((128, 56, 4), (256, 28, 6), (512, 14, 3)):
        before, after, half = 2 * inner, 4 * inner, image // 2
        rows += [pw(before, inner, image), same(inner, inner, 3, image, stride=2), pw(inner, after, half, times=blocks),
                 pw(before, after, image, stride=2, then=None), pw(after, inner, half, times=blocks - 1),
                 same(inner, inner, 3, half, times=blocks - 1)]
    return rows + [gap(2048, 7)]


def resnet18():
    rows = [same(3, 64, 7, 224, stride=2), max_pool(64, 3, 112, stride=2, pad=1), same(64, 64, 3, 56, times=4)]
    for channels, image in ((64, 56), (128, 28), (256, 14)):
        rows += [same(channels, 2 * channels, 3, image, stride=2), pw(channels, 2 * channels, image, stride=2, then=None),
                 same(2 * channels, 2 * channels, 3, image // 2, times=3)]
    return rows + [gap(512, 7)]


def vgg16():
    rows = []
    for before, after, image, more in ((3, 64, 224, 1), (64, 128, 112, 1), (128, 256, 56, 2), (256, 512, 28, 2)):
        rows += [same(before, after, 3, image), same(after, after, 3, image, times=more), max_pool(after, 2, image)]
    return rows + [same(512, 512, 3, 14, times=3), max_pool(512, 2, 14)]


def mobilenetv2():
    six, none = {"then": "relu6"}, {"then": None}
    return [same(3, 32, 3, 224, stride=2, **six), dw(32, 3, 112, **six), pw(32, 16, 112, **none),
            pw(16, 96, 112, **six), dw(96, 3, 112, stride=2, **six), pw(96, 24, 56, **none),
            pw(24, 144, 56, times=2, **six), dw(144, 3, 56, **six), pw(144, 24, 56, **none),
            dw(144, 3, 56, stride=2, **six), pw(144, 32, 28, **none), pw(32, 192, 28, times=3, **six),
            dw(192, 3, 28, times=2, **six), pw(192, 32, 28, times=2, **none), dw(192, 3, 28, stride=2, **six),
            pw(192, 64, 14, **none), pw(64, 384, 14, times=4, **six), dw(384, 3, 14, times=4, **six),
            pw(384, 64, 14, times=3, **none), pw(384, 96, 14, **none), pw(96, 576, 14, times=3, **six),
            dw(576, 3, 14, times=2, **six), pw(576, 96, 14, times=2, **none), dw(576, 3, 14, stride=2, **six),
            pw(576, 160, 7, **none), pw(160, 960, 7, times=3, **six), dw(960, 3, 7, times=3, **six),
            pw(960, 160, 7, times=2, **none), pw(960, 320, 7, **none), pw(320, 1280, 7, **six), gap(1280, 7)]


def efficientnet_b0():
    """Without its squeeze-and-excitation vectors."""
    silu, none = {"then": "silu"}, {"then": None}
    rows = [same(3, 32, 3, 224, stride=2, **silu), dw(32, 3, 112, **silu), pw(32, 16, 112, **none)]
    uses = {}
    stages = ((16, 24, 3, 2, 2, 112), (24, 40, 5, 2, 2, 56), (40, 80, 3, 2, 3, 28), (80, 112, 5, 1, 3, 14),
              (112, 192, 5, 2, 4, 14), (192, 320, 3, 1, 1, 7))
    for before, after, kernel, stride, blocks, image in stages:
        for block in range(blocks):
            channels, step = (before, stride) if block == 0 else (after, 1)
            out = image // step
            for key in (("pw", channels, 6 * channels, image, "silu"), ("dw", 6 * channels, kernel, image, step),
                        ("pw", 6 * channels, after, out, None)):
                uses[key] = uses.get(key, 0) + 1
            image = out
    for key, times in uses.items():
        rows.append(pw(*key[1:4], then=key[4], times=times) if key[0] == "pw" else
                    dw(*key[1:4], stride=key[4], times=times, **silu))
    return rows + [pw(320, 1280, 7, **silu), gap(1280, 7)]


def inceptionv3():
    rows = [conv(3, 32, 3, 299, stride=2), conv(32, 32, 3, 149), same(32, 64, 3, 147), max_pool(64, 3, 147, stride=2),
            pw(64, 80, 73), conv(80, 192, 3, 73), max_pool(192, 3, 71, stride=2)]
    rows += [pw(192, 64, 35, times=2), pw(192, 48, 35), pw(192, 32, 35), pw(256, 64, 35, times=3), pw(256, 48, 35),
             pw(288, 64, 35, times=4), pw(288, 48, 35), same(48, 64, 5, 35, times=3), same(64, 96, 3, 35, times=4),
             same(96, 96, 3, 35, times=3), conv(288, 384, 3, 35, stride=2), conv(96, 96, 3, 35, stride=2)]
    rows += [avg_pool(c, 3, 35, stride=1, pad=1) for c in (192, 256, 288)] + [max_pool(288, 3, 35, stride=2)]
    rows += [pw(768, 192, 17, times=12), pw(768, 128, 17, times=2), pw(768, 160, 17, times=4)]
    for inner, blocks in ((128, 1), (160, 2)):
        rows += [same(inner, inner, (1, 7), 17, times=2 * blocks), same(inner, inner, (7, 1), 17, times=2 * blocks),
                 same(inner, 192, (7, 1), 17, times=blocks), same(inner, 192, (1, 7), 17, times=blocks)]
    rows += [same(192, 192, (1, 7), 17, times=4), same(192, 192, (7, 1), 17, times=4), avg_pool(768, 3, 17, stride=1, pad=1,
             times=4), conv(192, 320, 3, 17, stride=2), conv(192, 192, 3, 17, stride=2), max_pool(768, 3, 17, stride=2)]
    for channels in (1280, 2048):
        rows += [pw(channels, outputs, 8) for outputs in (320, 384, 448, 192)]
    return rows + [same(384, 384, (1, 3), 8, times=4), same(384, 384, (3, 1), 8, times=4), same(448, 384, 3, 8, times=2),
                   avg_pool(1280, 3, 8, stride=1, pad=1), avg_pool(2048, 3, 8, stride=1, pad=1), gap(2048, 8)]


def resnext50():
    rows = [same(3, 64, 7, 224, stride=2), max_pool(64, 3, 112, stride=2, pad=1), pw(64, 128, 56),
            same(128, 128, 3, 56, groups=32, times=3), pw(128, 256, 56, times=3), pw(64, 256, 56, then=None),
            pw(256, 128, 56, times=2)]
    for inner, image, blocks in ((256, 56, 4), (512, 28, 6), (1024, 14, 3)):
        half = image // 2
        rows += [pw(inner, inner, image), same(inner, inner, 3, image, stride=2, groups=32),
                 pw(inner, 2 * inner, half, times=blocks), pw(inner, 2 * inner, image, stride=2, then=None),
                 pw(2 * inner, inner, half, times=blocks - 1), same(inner, inner, 3, half, groups=32, times=blocks - 1)]
    return rows + [gap(2048, 7)]


def convnext_t():
    none = {"then": None}
    rows = [conv(3, 96, 4, 224, stride=4, **none)]
    for channels, image, blocks in ((96, 56, 3), (192, 28, 3), (384, 14, 9), (768, 7, 3)):
        rows += [dw(channels, 7, image, times=blocks, **none), pw(channels, 4 * channels, image, then="gelu", times=blocks),
                 pw(4 * channels, channels, image, times=blocks, **none)]
        if image > 7:
            rows.append(conv(channels, 2 * channels, 2, image, stride=2, **none))
    return rows


def deeplabv3():
    aspp = [conv(2048, 256, 3, 33, pad=d, dilation=d) for d in (6, 12, 18)]
    return [dw(960, 3, 33, dilation=2, pad=2), pw(2048, 256, 33), *aspp, pw(1280, 256, 33), same(256, 256, 3, 33),
            pw(256, 21, 33, then=None)]


def unet():
    rows, image, channels = [], 572, 1
    for outputs in (64, 128, 256, 512, 1024):
        rows += [conv(channels, outputs, 3, image), conv(outputs, outputs, 3, image - 2)]
        image, channels = image - 4, outputs
        if outputs < 1024:
            rows.append(max_pool(outputs, 2, image))
            image //= 2
    for outputs in (512, 256, 128, 64):
        rows += [up(2 * outputs, outputs, 2, image, stride=2, then=None), conv(2 * outputs, outputs, 3, 2 * image),
                 conv(outputs, outputs, 3, 2 * image - 2)]
        image = 2 * image - 4
    return rows + [pw(64, 2, image, then=None)]


def dcgan():
    leaky = {"then": "leaky_relu {slope = 0.2}", "bias": False}
    relu = {"bias": False}
    rows = [up(100, 512, 4, 1, **relu)]
    rows += [up(c, c // 2, 4, image, stride=2, pad=1, **relu) for c, image in ((512, 4), (256, 8), (128, 16))]
    rows += [up(64, 3, 4, 32, stride=2, pad=1, bias=False, then="tanh"), up(128, 64, 4, 32, stride=2, pad=1),
             up(256, 128, 4, 16, stride=2, pad=1, batch=16)]
    rows += [conv(c, o, 4, image, stride=2, pad=1, **leaky) for c, o, image in
             ((3, 64, 64), (64, 128, 32), (128, 256, 16), (256, 512, 8))]
    return rows + [conv(512, 1, 4, 4, bias=False, then="sigmoid")]


def c3d():
    d3 = {"rank": 3}
    rows = [same(3, 64, 3, (16, 112, 112), **d3), max_pool(64, (1, 2, 2), (16, 112, 112), **d3),
            same(64, 128, 3, (16, 56, 56), **d3), max_pool(128, 2, (16, 56, 56), **d3)]
    for before, after, image in ((128, 256, (8, 28, 28)), (256, 512, (4, 14, 14))):
        rows += [same(before, after, 3, image, **d3), same(after, after, 3, image, **d3), max_pool(after, 2, image, **d3)]
    return rows + [same(512, 512, 3, (2, 7, 7), times=2, **d3)]


def r2plus1d():
    d3 = {"rank": 3}
    rows = [same(3, 45, (1, 7, 7), (16, 112, 112), stride=(1, 2, 2), **d3), same(45, 64, (3, 1, 1), (16, 56, 56), **d3),
            same(64, 144, (1, 3, 3), (16, 56, 56), times=4, **d3), same(144, 64, (3, 1, 1), (16, 56, 56), times=4, **d3)]
    for before, depth, image in ((64, 16, 56), (128, 8, 28), (256, 4, 14)):
        after, half = 2 * before, image // 2
        first, later = (before * after * 27 // (before * 9 + 3 * after), after * after * 27 // (after * 9 + 3 * after))
        small = (depth // 2, half, half)
        rows += [same(before, first, (1, 3, 3), (depth, image, image), stride=(1, 2, 2), **d3),
                 same(first, after, (3, 1, 1), (depth, half, half), stride=(2, 1, 1), **d3),
                 same(after, first, (1, 3, 3), small, **d3), same(first, after, (3, 1, 1), small, **d3),
                 same(after, later, (1, 3, 3), small, times=2, **d3), same(later, after, (3, 1, 1), small, times=2, **d3)]
    return rows


def wav2vec2():
    d1 = {"rank": 1, "bias": False, "then": "gelu"}
    rows = [conv(1, 512, 10, 16000, stride=5, **d1)]
    rows += [conv(512, 512, 3, length, stride=2, **d1) for length in (3199, 1599, 799, 399)]
    rows += [conv(512, 512, 2, length, stride=2, **d1) for length in (199, 99)]
    return rows + [conv(768, 768, 128, 49, rank=1, pad=64, groups=16, then="gelu")]


def tcn():
    rows = []
    for kernel, channels, length, dilations in ((3, 128, 2048, (1, 2, 4, 8)), (7, 25, 784, (1, 4, 16))):
        rows += [conv(channels, channels, kernel, length, rank=1, pad=[((kernel - 1) * d, 0)], dilation=d, times=2)
                 for d in dilations]
    return rows


def small():
    bare = {"bias": False, "then": None}
    return [same(1, 6, 5, 28), max_pool(6, 2, 28), conv(6, 16, 5, 14), max_pool(16, 2, 10), same(3, 32, 5, 32),
            same(3, 16, 3, 32), same(16, 16, 3, 32), same(16, 16, 3, 32, batch=16), same(32, 32, 3, 16),
            same(64, 64, 3, 8), same(1, 4, 3, 5, **bare), same(8, 8, 3, 7)]


def images():
    hd, bare = (1080, 1920), {"bias": False, "then": None}
    rows = [same(1, 1, kernel, hd, **bare) for kernel in (3, 5, 7)]
    return rows + [dw(3, 5, hd, **bare), same(1, 1, 13, 512, **bare)]


def pools():
    return [max_pool(64, 2, 224), max_pool(512, 2, 14), max_pool(64, 3, 112, stride=2, extra="ceil_mode = true"),
            max_pool(480, 3, 14, stride=1, pad=1), gap(2048, 7), avg_pool(192, 3, 35, stride=1, pad=1),
            avg_pool(192, 3, 35, stride=1, pad=1, extra="count_include_pad = false"), max_pool(128, 2, 2048, rank=1)]


def narrow(*elements):
    rows = [same(3, 64, 7, 224, stride=2), same(64, 64, 3, 56), pw(64, 256, 56), same(256, 256, 3, 14), pw(1024, 256, 14),
            pw(2048, 512, 7), dw(144, 3, 56), pw(24, 144, 56), same(256, 256, 3, 56), same(256, 256, 3, 28, groups=32),
            same(16, 16, 3, 32)]
    return [row.with_element(element) for row in rows for element in elements]


def batches():
    return [same(256, 256, 3, 14, batch=8), pw(1024, 256, 14, batch=8), same(512, 512, 3, 7, batch=16),
            dw(144, 3, 56, batch=8)]


def quick():
    """Both layouts in turns."""
    six, silu, bare = {"then": "relu6"}, {"then": "silu"}, {"bias": False, "then": None}
    rows = [same(3, 64, 7, 224, stride=2), same(64, 64, 3, 56), pw(1024, 256, 14), pw(64, 256, 56),
            same(128, 128, 3, 56, stride=2), dw(144, 3, 56, **six), pw(144, 24, 56, then=None), dw(240, 5, 28, **silu),
            same(256, 256, 3, 28, groups=32), up(64, 3, 4, 32, stride=2, pad=1, bias=False, then="tanh"),
            max_pool(64, 3, 112, stride=2, pad=1), same(1, 1, 5, (1080, 1920), **bare)]
    for i, row in enumerate(rows):
        row.only = ("first", "last")[i % 2] if row.channels > 1 else "first"
    return rows


SUITES = {
    "quick": ("A dozen layers of several networks: is it fast here?", quick),
    "resnet50": ("ResNet-50, 224 x 224", resnet50),
    "resnet18": ("ResNet-18, 224 x 224", resnet18),
    "vgg16": ("VGG-16, 224 x 224", vgg16),
    "mobilenetv2": ("MobileNetV2, 224 x 224", mobilenetv2),
    "efficientnet_b0": ("EfficientNet-B0, 224 x 224, without its squeeze-and-excitation vectors", efficientnet_b0),
    "inceptionv3": ("Inception v3, 299 x 299", inceptionv3),
    "resnext50": ("ResNeXt-50 with 32 groups, 224 x 224", resnext50),
    "convnext_t": ("ConvNeXt-T, 224 x 224, without its layer norms", convnext_t),
    "deeplabv3": ("DeepLab v3: atrous pyramid and head at 33 x 33, and a dilated depthwise layer", deeplabv3),
    "unet": ("U-Net, 572 x 572 without padding", unet),
    "dcgan": ("DCGAN, generator and discriminator at 64 x 64", dcgan),
    "c3d": ("C3D, 16 frames of 112 x 112", c3d),
    "r2plus1d": ("R(2+1)D-18, 16 frames of 112 x 112", r2plus1d),
    "wav2vec2": ("wav2vec 2.0: feature encoder on a second of sound, and its positional convolution", wav2vec2),
    "tcn": ("Temporal convolutional networks, causal", tcn),
    "small": ("LeNet, CIFAR sizes, and images where the call itself counts", small),
    "images": ("Filters over whole pictures", images),
    "pools": ("Poolings", pools),
    "batches": ("Layers with more than one image", batches),
    "bf16": ("Layers in bf16", lambda: narrow("bf16")),
    "int8": ("Layers of u8 by i8, into i32 and requantized to u8", lambda: narrow("u8i8i32", "u8i8u8")),
}


def text_of(name, title, rows):
    parts = [f"// {title}.\n// Written by generate.py; names say kernel, channels in and out, image, layout.\n//\n"
             f"//     volute bench {name}\n"]
    for row in rows:
        parts += [row.program(layout) for layout in row.layouts()]
    return "\n".join(parts)


def main():
    differ = []
    for name, (title, rows) in SUITES.items():
        path, text = HERE / f"{name}.vlt", text_of(name, title, rows())
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            differ.append(path.name)
    if differ:
        sys.exit("these are not what generate.py writes: " + ", ".join(differ))


if __name__ == "__main__":
    main()
