"""The functions against torch.nn.functional: the same names, arguments, numbers, layouts, refusals."""

import inspect
import os
import random
import unittest
import warnings

import numpy

import volute

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

SEED = int(os.environ.get("VOLUTE_SEED", "2026"))
TIMES = int(os.environ.get("VOLUTE_TIMES", "1"))  # how many times as many draws

DTYPES = ["float32", "float64"]


@unittest.skipUnless(torch, "torch is not installed")
class AgainstTorch(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        torch.manual_seed(SEED)
        torch.set_num_threads(1)

    # ---- drawing --------------------------------------------------------------------------------

    def whole(self, shape, dtype="float32"):
        """Whole numbers: sums are exact in any order, and the comparison is."""
        return torch.randint(-4, 5, shape).to(getattr(torch, dtype))

    def laid_out(self, x):
        """The same numbers, lying in memory in one of many ways."""
        draw = self.random.random()
        if draw < 0.4 or x.dim() < 3:
            return x
        if draw < 0.6:  # channels last
            axes = [0, *range(2, x.dim()), 1]
            back = [0, x.dim() - 1, *range(1, x.dim() - 1)]
            return x.permute(axes).contiguous().permute(back)
        if draw < 0.8:  # part of a larger tensor
            large = torch.full([s + 3 for s in x.shape], 77, dtype=x.dtype)
            part = large[tuple(slice(1, 1 + s) for s in x.shape)]
            part.copy_(x)
            return part
        axes = list(range(x.dim()))
        self.random.shuffle(axes)
        return x.permute(axes).contiguous().permute([axes.index(i) for i in range(x.dim())])

    def numbers(self, low, high, spatial):
        draw = self.random.random()
        if draw < 0.5:
            return self.random.randint(low, high)
        return tuple(self.random.randint(low, high) for _ in range(spatial))

    def image(self, spatial, channels, least=1, dtype="float32"):
        shape = [self.random.randint(1, 3), channels]
        shape += [self.random.randint(least, 9 if spatial < 3 else 6) for _ in range(spatial)]
        x = self.laid_out(self.whole(shape, dtype))
        return x[0] if self.random.random() < 0.2 else x

    def compare(self, name, arguments, options, close=False):
        """Both refuse, or both give the same: shape, element type, elements."""
        with self.subTest(function=name, shapes=[tuple(a.shape) for a in arguments if a is not None],
                          strides=[a.stride() for a in arguments if a is not None], **options):
            wanted, refusal = None, None
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of names that PyTorch would have elsewhere
                    wanted = getattr(F, name)(*arguments, **options)
            except (RuntimeError, ValueError) as failure:
                refusal = failure
            if refusal is not None:
                # Volute's language takes some of what PyTorch refuses, as pads above half a window.
                with self.assertRaises((RuntimeError, ValueError)):
                    getattr(volute, name)(*arguments, **options)
                return False
            found = getattr(volute, name)(*arguments, **options)
            if not isinstance(wanted, tuple):
                wanted, found = (wanted,), (found,)
            for one, other in zip(wanted, found):
                self.assertEqual((one.shape, one.dtype), (other.shape, other.dtype))
                if close:
                    torch.testing.assert_close(other, one, rtol=close, atol=close)
                else:
                    self.assertTrue(torch.equal(one, other), (one, other))
            # The same from NumPy, whose arrays lie where the tensors do.
            of_numpy = getattr(volute, name)(
                *(None if a is None else a.numpy() for a in arguments), **options)
            first = of_numpy[0] if isinstance(of_numpy, tuple) else of_numpy
            numpy.testing.assert_array_equal(first, found[0].numpy())
            return True

    def draws(self, count):
        return range(count * TIMES)

    # ---- the functions --------------------------------------------------------------------------

    def test_conv(self):
        kept = 0
        for _ in self.draws(40):
            spatial = self.random.choice([1, 2, 2, 2, 3])
            groups = self.random.choice([1, 1, 1, 2, 3])
            channels = groups * self.random.randint(1, 5)
            outputs = groups * self.random.randint(1, 5)
            dtype = self.random.choice(DTYPES)
            x = self.image(spatial, channels, 4, dtype)
            w = self.laid_out(self.whole(
                [outputs, channels // groups] + [self.random.randint(1, 3) for _ in range(spatial)], dtype))
            b = self.whole([outputs], dtype) if self.random.random() < 0.5 else None
            padding = self.random.choice(["numbers", "numbers", "same", "valid"])
            stride = self.numbers(1, 3, spatial)
            if padding == "numbers":
                padding = self.numbers(0, 3, spatial)
            elif padding == "same":
                stride = 1
            kept += self.compare(f"conv{spatial}d", (x, w, b), dict(
                stride=stride, padding=padding, dilation=self.numbers(1, 2, spatial), groups=groups))
        self.assertGreater(kept, 25 * TIMES)

    def test_conv_transpose(self):
        kept = 0
        for _ in self.draws(24):
            spatial = self.random.choice([1, 2, 2, 3])
            groups = self.random.choice([1, 1, 2])
            channels, outputs = groups * self.random.randint(1, 4), self.random.randint(1, 4)
            x = self.image(spatial, channels, 2)
            w = self.whole([channels, outputs] + [self.random.randint(1, 4) for _ in range(spatial)])
            b = self.whole([outputs * groups]) if self.random.random() < 0.5 else None
            kept += self.compare(f"conv_transpose{spatial}d", (x, w, b), dict(
                stride=self.numbers(1, 3, spatial), padding=self.numbers(0, 1, spatial),
                output_padding=self.numbers(0, 1, spatial), groups=groups,
                dilation=self.numbers(1, 2, spatial)))
        self.assertGreater(kept, 12 * TIMES)

    def test_max_pool(self):
        for _ in self.draws(24):
            spatial = self.random.choice([1, 2, 2, 3])
            x = self.image(spatial, self.random.randint(1, 18), 4)
            kernel = self.random.randint(1, 3)
            self.compare(f"max_pool{spatial}d", (x,), dict(
                kernel_size=kernel, stride=self.random.choice([None, self.numbers(1, 3, spatial)]),
                padding=self.random.randint(0, kernel // 2), dilation=self.random.randint(1, 2),
                ceil_mode=self.random.random() < 0.5, return_indices=self.random.random() < 0.5))

    def test_avg_pool(self):
        for _ in self.draws(24):
            spatial = self.random.choice([1, 2, 2, 3])
            x = self.image(spatial, self.random.randint(1, 18), 4)
            kernel = self.random.randint(1, 4)
            options = dict(kernel_size=kernel, stride=self.random.choice([None, self.numbers(1, 3, spatial)]),
                           padding=self.random.randint(0, kernel // 2),
                           ceil_mode=self.random.random() < 0.5,
                           count_include_pad=self.random.random() < 0.5)
            if spatial > 1 and self.random.random() < 0.3:
                options["divisor_override"] = self.random.randint(1, 9)
            self.compare(f"avg_pool{spatial}d", (x,), options, close=1e-6)

    def test_lp_pool(self):
        for _ in self.draws(12):
            spatial = self.random.choice([1, 2])
            x = self.image(spatial, 3, 4).abs()  # PyTorch takes odd norms of x itself
            self.compare(f"lp_pool{spatial}d", (x,), dict(
                norm_type=self.random.choice([1, 2, 3]), kernel_size=self.random.randint(1, 3),
                stride=self.random.choice([None, 2]), ceil_mode=False), close=1e-5)

    def test_adaptive_pools(self):
        for _ in self.draws(24):
            spatial = self.random.choice([1, 2, 2, 3])
            x = self.image(spatial, self.random.randint(1, 9))
            size = self.numbers(1, 6, spatial)
            if isinstance(size, tuple) and spatial > 1 and self.random.random() < 0.5:
                size = (None, *size[1:])
            self.compare(f"adaptive_avg_pool{spatial}d", (x,), dict(output_size=size), close=1e-6)
            for indices in (False, True):
                self.compare(f"adaptive_max_pool{spatial}d", (x,),
                             dict(output_size=size, return_indices=indices))
            self.compare(f"adaptive_max_pool{spatial}d_with_indices", (x,), dict(output_size=size))

    def test_max_unpool(self):
        for _ in self.draws(16):
            spatial = self.random.choice([1, 2, 3])
            x = self.image(spatial, 3, 4)
            y, places = getattr(F, f"max_pool{spatial}d")(x, 2, return_indices=True)
            self.compare(f"max_unpool{spatial}d", (y, places), dict(kernel_size=2))
            # Of the spatial axes or, of a batch, of all.
            size = x.shape if x.dim() == spatial + 2 and self.random.random() < 0.5 else x.shape[-spatial:]
            self.compare(f"max_unpool{spatial}d", (y, places),
                         dict(kernel_size=2, output_size=tuple(size)))

    def test_batch_norm(self):
        for _ in self.draws(12):
            x = self.laid_out(self.whole([2, 5, *[3] * self.random.randint(1, 3)]))
            vectors = [self.whole([5]), self.whole([5]).abs() + 1]
            given = self.random.random() < 0.7
            vectors += [self.whole([5]), self.whole([5])] if given else [None, None]
            self.compare("batch_norm", (x, *vectors), dict(eps=0.25), close=1e-5)

    def test_elementwise(self):
        for name, options, close in [
            ("relu", {}, False), ("relu6", {}, False), ("leaky_relu", {}, 1e-6),
            ("leaky_relu", {"negative_slope": 0.25}, False), ("elu", {"alpha": 2.0}, 1e-6),
            ("sigmoid", {}, 1e-6), ("tanh", {}, 1e-6), ("silu", {}, 1e-6), ("hardsigmoid", {}, 1e-6),
            ("hardswish", {}, 1e-6), ("hardtanh", {}, False),
            ("hardtanh", {"min_val": -2.0, "max_val": 3.0}, False), ("mish", {}, 1e-5),
            ("gelu", {}, 1e-6), ("gelu", {"approximate": "tanh"}, 1e-6), ("softplus", {}, 1e-6),
            ("softplus", {"beta": 0.5}, 1e-6), ("softplus", {"beta": 30.0}, 1e-6),
        ]:
            for shape in [(2, 3, 4, 5), (7,), (2, 3), (1, 2, 3, 4, 5)]:
                x = self.laid_out(self.whole(shape)) / 2
                self.compare(name, (x,), options, close)
        self.compare("prelu", (self.whole([2, 3, 4]), self.whole([3])), {})
        self.compare("prelu", (self.whole([2, 3, 4]), self.whole([1])), {})

    def test_pad(self):
        for _ in self.draws(24):
            spatial = self.random.choice([1, 2, 3])
            x = self.image(spatial, 3, 4)
            mode = self.random.choice(["constant", "constant", "reflect", "replicate", "circular"])
            if mode == "circular" and x.dim() == spatial + 1:
                continue  # PyTorch 1.13 wants a batch there
            low = -1 if mode == "constant" else 0
            pads = tuple(self.random.randint(low, 2) for _ in range(2 * spatial))
            options = dict(pad=pads, mode=mode)
            if mode == "constant":
                options["value"] = self.random.choice([0.0, -1.5])
            self.compare("pad", (x,), options)

    def test_pad_of_some_axes(self):
        """Any of the last three, of arrays of one to five axes: which are of space is of no matter."""
        kept = 0
        for rank in range(1, 6):
            x = self.whole([3, 2, 4, 3, 5][-rank:])
            for padded in range(1, 4):
                pads = tuple(self.random.randint(-1, 2) for _ in range(2 * padded))
                kept += self.compare("pad", (x,), dict(pad=pads, value=2.0))
        self.assertEqual(kept, 12)
        for pads, mode in (((1, 1), "reflect"), ((0, 1, 2, 0), "replicate")):
            self.compare("pad", (self.whole([1, 2, 3, 4, 5]),), dict(pad=pads, mode=mode))

    # ---- what goes with it ------------------------------------------------------------------------

    def test_half_precision(self):
        x, w = self.whole([2, 16, 8, 8]), self.whole([8, 16, 3, 3])
        for dtype in (torch.bfloat16, torch.float16):
            y = volute.conv2d(x.to(dtype), w.to(dtype))
            self.assertEqual(y.dtype, dtype)
            torch.testing.assert_close(y, F.conv2d(x, w).to(dtype))

    def test_arguments_and_defaults_are_pytorch_s(self):
        """By name and order, of those functions whose signature PyTorch has in Python."""
        for name in volute.functional.__all__:
            theirs = getattr(F, name, None)
            try:
                wanted = inspect.signature(theirs)
            except (TypeError, ValueError):
                continue  # written in C++: its arguments are what the draws above give
            if any(p.kind == p.VAR_POSITIONAL for p in wanted.parameters.values()):
                continue  # chooses between two of them
            ours = inspect.signature(getattr(volute, name))
            with self.subTest(function=name):
                self.assertEqual([(p.name, p.default) for p in ours.parameters.values()],
                                 [(p.name, p.default) for p in wanted.parameters.values()])

    def test_gradients_are_refused_and_not_lost(self):
        x, w = self.whole([1, 2, 5, 5]), torch.nn.Parameter(self.whole([3, 2, 3, 3]))
        with self.assertRaisesRegex(RuntimeError, "computes no gradients"):
            volute.conv2d(x, w)
        with torch.no_grad():
            self.assertTrue(torch.equal(volute.conv2d(x, w), F.conv2d(x, w)))
        self.assertTrue(torch.equal(volute.conv2d(x, w.detach()), F.conv2d(x, w).detach()))

    def test_what_is_not_in_this_memory_is_refused(self):
        with self.assertRaisesRegex(RuntimeError, "not in the CPU's memory"):
            volute.relu(torch.empty(2, 3, device="meta"))
        with self.assertRaises(RuntimeError):
            volute.relu(torch.eye(3).to_sparse())
        with self.assertRaisesRegex(TypeError, "elements of float32"):
            volute.relu(torch.zeros(3, dtype=torch.complex64))

    def test_results_lie_as_pytorch_s_do(self):
        x = self.whole([2, 3, 8, 8]).to(memory_format=torch.channels_last)
        y = volute.max_pool2d(x, 2)
        self.assertTrue(y.is_contiguous(memory_format=torch.channels_last))
        self.assertEqual(y.stride(), F.max_pool2d(x, 2).stride())
        self.assertTrue(volute.conv2d(x, self.whole([4, 3, 3, 3])).is_contiguous(
            memory_format=torch.channels_last))

    def test_nothing_is_copied(self):
        kernel = volute.compile("program @r(%x: f32[n=1, c=1, w=4]) {\n  %y = relu %x\n  return %y\n}")
        y = torch.empty(1, 1, 4)
        self.assertIs(kernel(torch.tensor([[[1.0, -1, 2, -2]]]), y), y)
        self.assertEqual(y.tolist(), [[[1, 0, 2, 0]]])
        storage = torch.tensor([9.0, 1, -1, 2, -2])
        self.assertEqual(kernel(storage[1:].view(1, 1, 4)).tolist(), [[[1, 0, 2, 0]]])

    def test_property(self):
        """Convolutions of any sizes, where hypothesis is installed to find the smallest that fails."""
        try:
            from hypothesis import given, settings, strategies as st
        except ImportError:
            self.skipTest("hypothesis is not installed")

        @settings(max_examples=25 * TIMES, deadline=None, database=None, derandomize=True)
        @given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9),
               st.integers(1, 17), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3),
               st.integers(0, 3), st.integers(1, 2))
        def check(n, c, h, w, o, kh, kw, stride, padding, dilation):
            x, weight = self.whole([n, c, h, w]), self.whole([o, c, kh, kw])
            self.compare("conv2d", (x, weight), dict(stride=stride, padding=padding, dilation=dilation))

        check()


if __name__ == "__main__":
    unittest.main()
