"""Tables that the frameworks' documentation prints, as cases. What PyTorch computes here must be
what is printed there, to the digits printed; numbers only, each with its source."""

import math

import torch

import ops
from case import Case

AXES = {1: "c", 3: "ncw", 4: "nchw", 5: "ncdhw"}
WEIGHTS = {3: "oiw", 4: "oihw"}
TRANSPOSED = {3: "iow", 4: "iohw"}  # the order of PyTorch and ONNX


class Plain:
    """Stands for random choices where there is nothing to choose."""

    def random(self):
        return 0.99

    def shuffle(self, values):
        pass


class Example(Case):
    def __init__(self, source):
        super().__init__(Plain(), 0, source)

    def tensor(self, name, shape, elements, element="f32", axes=AXES):
        sizes = dict(zip(axes[len(shape)], shape))
        numbers = " ".join(f"{v:g}" for v in elements)
        return self.input(element, sizes, f"list {numbers}", order="plain", name=name)

    def shaped(self, name, shape, axes=AXES):
        """An input of which only the shape matters."""
        return self.input("f32", dict(zip(axes[len(shape)], shape)), "whole", order="plain", name=name)

    def gives(self, *results):
        """The results with the numbers printed, `results` being (value, numbers) in turns."""
        values, printed = results[::2], results[1::2]
        self.returns(*values)
        for (_, flat), numbers in zip(self.outputs(), printed):
            wanted = torch.tensor(numbers, dtype=torch.float64)
            assert torch.allclose(flat.to(torch.float64), wanted, 0, 5e-5), (self.source, flat, wanted)
        return self

    def has_shape(self, value, shape):
        self.returns(value)
        assert [value.size(axis) for axis in AXES[len(shape)]] == list(shape), self.source
        self.only_types = True
        return self


def count(first, last):
    return list(range(first, last + 1))


def of_torch():
    """docs.pytorch.org, by the class or function whose page has the example."""
    e = Example("torch.nn.MaxUnpool1d")
    y, at = ops.max_pool(e, e.tensor("x", (1, 1, 8), count(1, 8)), [2], indices=True)
    z = ops.max_unpool(e, y, at, [2])
    yield e.gives(z, [0, 2, 0, 4, 0, 6, 0, 8])

    e = Example("torch.nn.MaxUnpool1d, with an output size")
    y, at = ops.max_pool(e, e.tensor("x", (1, 1, 9), count(1, 9)), [2], indices=True)
    yield e.gives(ops.max_unpool(e, y, at, [2], output_size=[9]), [0, 2, 0, 4, 0, 6, 0, 8, 0])

    e = Example("torch.nn.MaxUnpool2d")
    y, at = ops.max_pool(e, e.tensor("x", (1, 1, 4, 4), count(1, 16)), [2, 2], indices=True)
    yield e.gives(ops.max_unpool(e, y, at, [2, 2]),
                  [0, 0, 0, 0, 0, 6, 0, 8, 0, 0, 0, 0, 0, 14, 0, 16])

    e = Example("torch.nn.MaxUnpool2d, into a larger image")
    y, at = ops.max_pool(e, e.tensor("x", (1, 1, 4, 4), count(1, 16)), [2, 2], indices=True)
    yield e.gives(ops.max_unpool(e, y, at, [2, 2], output_size=[5, 5]),
                  [0, 0, 0, 0, 0, 6, 0, 8, 0, 0, 0, 0, 0, 14, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0])

    e = Example("torch.nn.MaxUnpool3d")
    y, at = ops.max_pool(e, e.shaped("x", (20, 16, 51, 33, 15)), [3, 3, 3], [2, 2, 2], indices=True)
    yield e.has_shape(ops.max_unpool(e, y, at, [3, 3, 3], [2, 2, 2]), (20, 16, 51, 33, 15))

    e = Example("torch.nn.ConvTranspose2d")
    h = ops.conv(e, e.shaped("x", (1, 16, 12, 12)), e.shaped("w", (16, 16, 3, 3), WEIGHTS), None,
                 [2, 2], [(1, 1)] * 2)
    yield e.has_shape(h, (1, 16, 6, 6))
    e = Example("torch.nn.ConvTranspose2d, to the size it came from")
    h = ops.conv_transpose(e, e.shaped("x", (1, 16, 6, 6)), e.shaped("w", (16, 16, 3, 3), TRANSPOSED),
                           None, [2, 2], [(1, 1)] * 2, [1, 1])
    yield e.has_shape(h, (1, 16, 12, 12))

    for kind in ("avg", "max"):
        for rank, shape, output, wanted in (
                (1, (1, 64, 8), [5], (1, 64, 5)), (2, (1, 64, 8, 9), [5, 7], (1, 64, 5, 7)),
                (2, (1, 64, 10, 9), [7, 7], (1, 64, 7, 7)),
                (2, (1, 64, 10, 9), [10, 7], (1, 64, 10, 7)),
                (3, (1, 64, 8, 9, 10), [5, 7, 9], (1, 64, 5, 7, 9)),
                (3, (1, 64, 10, 9, 8), [7, 7, 7], (1, 64, 7, 7, 7))):
            e = Example(f"torch.nn.Adaptive{kind.capitalize()}Pool{rank}d")
            yield e.has_shape(ops.adaptive_pool(e, e.shaped("x", shape), kind, output), wanted)

    e = Example("torch.nn.AvgPool1d")
    yield e.gives(ops.avg_pool(e, e.tensor("x", (1, 1, 7), count(1, 7)), [3], [2]), [2, 4, 6])

    e = Example("torch.nn.functional.pad")
    yield e.has_shape(ops.pad(e, e.shaped("x", (3, 3, 4, 2)), [(2, 2), (1, 1)]), (3, 3, 8, 4))

    rows, image = ("x", (1, 2, 4), count(0, 7)), ("x", (1, 1, 3, 3), count(0, 8))
    for name, mode, wanted in (
            ("Reflection", "reflect", [2, 1, 0, 1, 2, 3, 2, 1, 6, 5, 4, 5, 6, 7, 6, 5]),
            ("Replication", "replicate", [0, 0, 0, 1, 2, 3, 3, 3, 4, 4, 4, 5, 6, 7, 7, 7]),
            ("Circular", "circular", [2, 3, 0, 1, 2, 3, 0, 1, 6, 7, 4, 5, 6, 7, 4, 5])):
        e = Example(f"torch.nn.{name}Pad1d")
        yield e.gives(ops.pad(e, e.tensor(*rows), [(2, 2)], mode), wanted)
    for name, mode, wanted in (
            ("Reflection", "reflect", [3, 2, 1, 0, 1, 2, 3, 2, 7, 6, 5, 4, 5, 6, 7, 6]),
            ("Replication", "replicate", [0, 0, 0, 0, 1, 2, 3, 3, 4, 4, 4, 4, 5, 6, 7, 7]),
            ("Circular", "circular", [1, 2, 3, 0, 1, 2, 3, 0, 5, 6, 7, 4, 5, 6, 7, 4])):
        e = Example(f"torch.nn.{name}Pad1d, each side by itself")
        yield e.gives(ops.pad(e, e.tensor(*rows), [(3, 1)], mode), wanted)

    def rows_of(*rows):
        return [v for row in rows for v in row]

    a, b, c = [8, 7, 6, 7, 8, 7, 6], [5, 4, 3, 4, 5, 4, 3], [2, 1, 0, 1, 2, 1, 0]
    e = Example("torch.nn.ReflectionPad2d")
    yield e.gives(ops.pad(e, e.tensor(*image), [(2, 2)] * 2, "reflect"),
                  rows_of(a, b, c, b, a, b, c))
    a, b, c = [0, 0, 0, 1, 2, 2, 2], [3, 3, 3, 4, 5, 5, 5], [6, 6, 6, 7, 8, 8, 8]
    e = Example("torch.nn.ReplicationPad2d")
    yield e.gives(ops.pad(e, e.tensor(*image), [(2, 2)] * 2, "replicate"),
                  rows_of(a, a, a, b, c, c, c))
    a, b, c = [4, 5, 3, 4, 5, 3, 4], [7, 8, 6, 7, 8, 6, 7], [1, 2, 0, 1, 2, 0, 1]
    e = Example("torch.nn.CircularPad2d")
    yield e.gives(ops.pad(e, e.tensor(*image), [(2, 2)] * 2, "circular"),
                  rows_of(a, b, c, a, b, c, a))
    for name, mode, wanted in (
            ("Reflection", "reflect", rows_of([7, 6, 7, 8, 7], [4, 3, 4, 5, 4], [1, 0, 1, 2, 1],
                                              [4, 3, 4, 5, 4], [7, 6, 7, 8, 7])),
            ("Replication", "replicate", rows_of([0, 0, 1, 2, 2], [0, 0, 1, 2, 2], [0, 0, 1, 2, 2],
                                                 [3, 3, 4, 5, 5], [6, 6, 7, 8, 8])),
            ("Circular", "circular", rows_of([5, 3, 4, 5, 3], [8, 6, 7, 8, 6], [2, 0, 1, 2, 0],
                                             [5, 3, 4, 5, 3], [8, 6, 7, 8, 6]))):
        e = Example(f"torch.nn.{name}Pad2d, each side by itself")
        yield e.gives(ops.pad(e, e.tensor(*image), [(2, 0), (1, 1)], mode), wanted)

    e = Example("torch.quantize_per_tensor")
    yield e.gives(ops.quantize(e, e.tensor("x", (1, 1, 4), [-1, 0, 1, 2]), "u8", [0.1], [10]),
                  [0, 10, 20, 30])
    e = Example("torch.quantize_per_channel")
    yield e.gives(ops.quantize(e, e.tensor("x", (1, 2, 2), [-1, 0, 1, 2]), "u8", [0.1, 0.01], [10, 0]),
                  [0, 10, 100, 200])

    e = Example("PyTorch issue 183528: a last window that hangs over the padding")
    yield e.gives(ops.avg_pool(e, e.tensor("x", (1, 1, 4, 4), count(1, 16)), [3, 3], [2, 2],
                               [(1, 1)] * 2, ceil_mode=True),
                  [1.55556, 3.33333, 2, 6.33333, 11, 6, 4.5, 7.5, 4])


def convolutions_of_onnx():
    def ones(e, kernel, channels=1, axes=WEIGHTS, shape=None):
        shape = shape or (1, channels, *kernel)
        return e.tensor("w", shape, [1] * (channels * math.prod(kernel)), axes=axes)

    square = ("x", (1, 1, 5, 5), count(0, 24))
    tall = ("x", (1, 1, 7, 5), count(0, 34))
    for name, x, stride, pads, wanted in (
            ("Conv, padded", square, None, [(1, 1)] * 2,
             [12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81, 93, 144, 153, 162, 111,
              72, 111, 117, 123, 84]),
            ("Conv", square, None, None, [54, 63, 72, 99, 108, 117, 144, 153, 162]),
            ("Conv, strided and padded", tall, [2, 2], [(1, 1)] * 2,
             [12, 27, 24, 63, 108, 81, 123, 198, 141, 112, 177, 124]),
            ("Conv, strided", tall, [2, 2], None, [54, 72, 144, 162, 234, 252]),
            ("Conv, strided and padded along one axis", tall, [2, 2], [(1, 1), (0, 0)],
             [21, 33, 99, 117, 189, 207, 171, 183])):
        e = Example(f"ONNX {name}")
        yield e.gives(ops.conv(e, e.tensor(*x), ones(e, (3, 3)), None, stride, pads), wanted)
    e = Example("ONNX Conv, auto_pad SAME_LOWER")
    yield e.gives(ops.conv(e, e.tensor(*square), ones(e, (3, 3)), None, [2, 2], rule="same_lower"),
                  [12, 27, 24, 63, 108, 81, 72, 117, 84])

    line, image = ("x", (1, 1, 3), count(0, 2)), ("x", (1, 1, 3, 3), count(0, 8))
    for name, x, kernel, stride, pads, extra, wanted in (
            ("ConvTranspose, one axis", line, (3,), None, None, None, [0, 1, 3, 3, 2]),
            ("ConvTranspose", image, (3, 3), None, None, None,
             [0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8]),
            ("ConvTranspose, pads", image, (3, 3), [3, 2], [(1, 1), (2, 2)], None,
             [1, 1, 3, 1, 1, 3, 7, 4, 9, 7, 4, 9, 7, 4, 9, 13, 7, 15, 13, 7, 15]),
            ("ConvTranspose, output_padding", image, (3, 3), [3, 2], None, [1, 1],
             [0, 0, 1, 1, 3, 2, 2, 0] * 3 + [3, 3, 7, 4, 9, 5, 5, 0] * 3 +
             [6, 6, 13, 7, 15, 8, 8, 0] * 3 + [0] * 8),
            ("ConvTranspose, auto_pad SAME_UPPER", image, (3, 3), [2, 2], [(0, 1)] * 2, None,
             [0, 0, 1, 1, 3, 2, 0, 0, 1, 1, 3, 2, 3, 3, 8, 5, 12, 7, 3, 3, 7, 4, 9, 5,
              9, 9, 20, 11, 24, 13, 6, 6, 13, 7, 15, 8])):
        e = Example(f"ONNX {name}")
        w = ones(e, kernel, 2, TRANSPOSED)
        yield e.gives(ops.conv_transpose(e, e.tensor(*x), w, None, stride, pads, extra), wanted * 2)
    e = Example("ONNX ConvTranspose, dilations")
    x = e.tensor("x", (1, 1, 3, 3), [3, 8, 1, 9, 5, 7, 3, 2, 6])
    w = e.tensor("w", (1, 1, 2, 2), [7, 2, 1, 9], axes=TRANSPOSED)
    yield e.gives(ops.conv_transpose(e, x, w, dilation=[2, 2]),
                  [21, 56, 13, 16, 2, 63, 35, 67, 10, 14, 24, 22, 76, 76, 21, 9, 5, 88, 45, 63,
                   3, 2, 33, 18, 54])

    for name, pads, wanted in (
            ("ConvInteger", None, [12, 16, 24, 28]),
            ("ConvInteger, padded", [(1, 1)] * 2,
             [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9])):
        e = Example(f"ONNX {name}")
        x = e.tensor("x", (1, 1, 3, 3), count(2, 10), "u8")
        w = e.tensor("w", (1, 1, 2, 2), [1] * 4, "u8", WEIGHTS)
        yield e.gives(ops.conv(e, x, w, None, None, pads, x_zero=1), wanted)

    e = Example("ONNX QLinearConv")
    pixels = [255, 174, 162, 25, 203, 168, 58, 15, 59, 237, 95, 129, 0, 64, 56, 242, 153, 221, 168, 12,
              166, 232, 178, 186, 195, 237, 162, 237, 188, 39, 124, 77, 80, 102, 43, 127, 230, 21, 83,
              41, 40, 134, 255, 154, 92, 141, 42, 148, 247]
    y = ops.conv(e, e.tensor("x", (1, 1, 7, 7), pixels, "u8"),
                 e.tensor("w", (1, 1, 1, 1), [0], "u8", WEIGHTS), x_zero=132, w_zero=[255])
    scale = 0.00369204697 * 0.00172794575 / 0.00162681262
    yield e.gives(ops.requantize(e, y, "u8", [scale], [123]),
                  [0, 81, 93, 230, 52, 87, 197, 240, 196, 18, 160, 126, 255, 191, 199, 13, 102, 34, 87,
                   243, 89, 23, 77, 69, 60, 18, 93, 18, 67, 216, 131, 178, 175, 153, 212, 128, 25, 234,
                   172, 214, 215, 121, 0, 101, 163, 114, 213, 107, 8])


def pools_of_onnx():
    five, four = ("x", (1, 1, 5, 5), count(1, 25)), ("x", (1, 1, 4, 4), count(1, 16))
    padded = [13, 14, 15, 15, 15, 18, 19, 20, 20, 20] + [23, 24, 25, 25, 25] * 3
    e = Example("ONNX MaxPool, uint8")
    yield e.gives(ops.max_pool(e, e.tensor(*five, "u8"), [5, 5], [1, 1], [(2, 2)] * 2), padded)
    e = Example("ONNX MaxPool, pads and indices")
    y, at = ops.max_pool(e, e.tensor(*five), [5, 5], [1, 1], [(2, 2)] * 2, indices=True)
    yield e.gives(y, padded, at, [v - 1 for v in padded])
    e = Example("ONNX MaxPool, strides and indices")
    y, at = ops.max_pool(e, e.tensor(*five), [2, 2], [2, 2], indices=True)
    yield e.gives(y, [7, 9, 17, 19], at, [6, 8, 16, 18])
    e = Example("ONNX MaxPool, auto_pad SAME_UPPER")
    yield e.gives(ops.max_pool(e, e.tensor(*five), [3, 3], [2, 2], rule="same_upper"),
                  [7, 9, 10, 17, 19, 20, 22, 24, 25])
    e = Example("ONNX MaxPool, ceil_mode")
    yield e.gives(ops.max_pool(e, e.tensor(*four), [3, 3], [2, 2], ceil_mode=True), [11, 12, 15, 16])
    e = Example("ONNX MaxPool, ceil_mode with a window in the padding")
    yield e.gives(ops.max_pool(e, e.tensor("x", (1, 1, 2, 2), [1, 2, 3, 4]), [1, 1], [2, 2],
                               ceil_mode=True), [1])
    e = Example("ONNX MaxPool, dilations")
    yield e.gives(ops.max_pool(e, e.tensor(*four), [2, 2], [1, 1], dilation=[2, 2]), [11, 12, 15, 16])
    e = Example("ONNX MaxPool, three axes and dilations")
    yield e.gives(ops.max_pool(e, e.tensor("x", (1, 1, 4, 4, 4), count(1, 16) * 4), [2] * 3, [1] * 3,
                               dilation=[2] * 3), [11, 12, 15, 16] * 2)

    for name, x, arguments, wanted in (
            ("pads", five, dict(kernel=[5, 5], stride=[1, 1], pads=[(2, 2)] * 2, include_pad=False),
             [7, 7.5, 8, 8.5, 9, 9.5, 10, 10.5, 11, 11.5, 12, 12.5, 13, 13.5, 14, 14.5, 15, 15.5, 16,
              16.5, 17, 17.5, 18, 18.5, 19]),
            ("pads that count", five, dict(kernel=[5, 5], stride=[1, 1], pads=[(2, 2)] * 2),
             [2.52, 3.6, 4.8, 4.08, 3.24, 4.56, 6.4, 8.4, 7.04, 5.52, 7.2, 10, 13, 10.8, 8.4, 6.96,
              9.6, 12.4, 10.24, 7.92, 6.12, 8.4, 10.8, 8.88, 6.84]),
            ("strides", five, dict(kernel=[2, 2], stride=[2, 2]), [4, 6, 14, 16]),
            ("auto_pad SAME_UPPER", five,
             dict(kernel=[3, 3], stride=[2, 2], rule="same_upper", include_pad=False),
             [4, 5.5, 7, 11.5, 13, 14.5, 19, 20.5, 22]),
            ("ceil_mode", four, dict(kernel=[3, 3], stride=[2, 2], ceil_mode=True),
             [6, 7.5, 12, 13.5]),
            ("dilations", four,
             dict(kernel=[2, 2], stride=[1, 1], dilation=[2, 2], ceil_mode=True), [6, 7, 10, 11])):
        e = Example(f"ONNX AveragePool, {name}")
        yield e.gives(ops.avg_pool(e, e.tensor(*x), **arguments), wanted)
    for kind, wanted in (("avg", [5]), ("max", [9])):
        e = Example(f"ONNX Global{'AveragePool' if kind == 'avg' else 'MaxPool'}")
        yield e.gives(ops.global_pool(e, e.tensor("x", (1, 1, 3, 3), count(1, 9)), kind), wanted)
    e = Example("ONNX MaxUnpool")
    x = e.tensor("x", (1, 1, 2, 2), [1, 2, 3, 4])
    at = e.tensor("at", (1, 1, 2, 2), [5, 7, 13, 15], "i64")
    yield e.gives(ops.max_unpool(e, x, at, [2, 2]), [0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4])


def others_of_onnx():
    e = Example("ONNX QuantizeLinear")
    x = e.tensor("x", (1, 1, 6), [0, 2, 3, 1000, -254, -1000])
    yield e.gives(ops.quantize(e, x, "u8", [2.0], [128]), [128, 129, 130, 255, 1, 0])
    real = [-162, 10, -100, 232, -20, -50, -76, 0, 0, 252, 32, -44, 245, -485, -960, -270, -375, -470]
    byte = [3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102]
    scale, zero = [2.0, 4.0, 5.0], [84, 24, 196]
    e = Example("ONNX QuantizeLinear, along an axis")
    yield e.gives(ops.quantize(e, e.tensor("x", (1, 3, 3, 2), real), "u8", scale, zero), byte)
    e = Example("ONNX DequantizeLinear")
    yield e.gives(ops.dequantize(e, e.tensor("x", (1, 1, 4), [0, 3, 128, 255], "u8"), "f32", [2.0], [128]),
                  [-256, -250, 0, 254])
    e = Example("ONNX DequantizeLinear, along an axis")
    yield e.gives(ops.dequantize(e, e.tensor("x", (1, 3, 3, 2), byte, "u8"), "f32", scale, zero), real)

    three = [-1, 0, 1]
    for name, word, x, attributes, wanted in (
            ("Elu", "elu", three, {"alpha": 2.0}, [-1.2642411, 0, 1]),
            ("LeakyRelu", "leaky_relu", three, {"slope": 0.1}, [-0.1, 0, 1]),
            ("Softplus", "softplus", three, {}, [0.31326166, 0.69314718, 1.31326163]),
            ("Sigmoid", "sigmoid", three, {}, [0.26894143, 0.5, 0.7310586]),
            ("Tanh", "tanh", three, {}, [-0.76159418, 0, 0.76159418]),
            ("Exp", "exp", three, {}, [0.36787945, 1, 2.71828175]),
            ("Gelu", "gelu", three, {}, [-0.15865526, 0, 0.84134474]),
            ("Gelu, tanh", "gelu_tanh", three, {}, [-0.158808, 0, 0.841192]),
            ("Clip", "clamp", [-2, 0, 2], {"min": -1, "max": 1}, [-1, 0, 1]),
            ("Sqrt", "sqrt", [1, 4, 9], {}, [1, 2, 3]),
            ("Neg", "neg", [-4, 2], {}, [4, -2])):
        e = Example(f"ONNX {name}")
        yield e.gives(ops.unary(e, word, e.tensor("x", (1, 1, len(x)), x), **attributes), wanted)


def published(first):
    for family in (of_torch(), convolutions_of_onnx(), pools_of_onnx(), others_of_onnx()):
        for case in family:
            case.number = first
            first += 1
            yield case
