"""volute.torch: modules that run on Volute give what PyTorch gives, and say what was left."""

import copy
import doctest
import io
import unittest

try:
    import torch
    from torch import nn
except ImportError:
    torch = None

if torch:
    import volute.torch

    class Block(nn.Module):
        """A residual block, as torchvision writes it."""

        def __init__(self, channels, stride=1):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.downsample = nn.Sequential(nn.Conv2d(channels, channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(channels)) if stride > 1 else None

        def forward(self, x):
            identity = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            if self.downsample is not None:
                identity = self.downsample(x)
            out += identity
            return self.relu(out)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16),
                                      nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
            self.blocks = nn.Sequential(Block(16), Block(16, 2))
            self.pool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(16, 5)

        def forward(self, x):
            x = self.blocks(self.stem(x))
            return self.fc(torch.flatten(self.pool(x), 1))

    class Dynamic(nn.Module):
        """What cannot be traced: which way it goes depends on values."""

        def __init__(self):
            super().__init__()
            self.chain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2))
            self.other = nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1)

        def forward(self, x):
            return self.chain(x) if x.sum() > 0 else self.other(x)


def randomised(module):
    """Statistics and weights as of a module that was trained."""
    torch.manual_seed(7)
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.running_mean.normal_(0, 0.5)
            m.running_var.uniform_(0.5, 2)
            nn.init.uniform_(m.weight, 0.5, 2)
            nn.init.normal_(m.bias)
    return module.eval()


@unittest.skipUnless(torch, "torch is not installed")
class Optimized(unittest.TestCase):
    def same(self, module, *inputs, close=1e-4):
        fast = volute.torch.optimize(module)
        with torch.no_grad():
            for x in inputs:
                wanted, found = module(x), fast(x)
                torch.testing.assert_close(found, wanted, rtol=close, atol=close)
        return fast

    def test_a_residual_network(self):
        net = randomised(Net())
        before = copy.deepcopy(net.state_dict())
        fast = self.same(net, torch.randn(1, 3, 40, 40), torch.randn(2, 3, 33, 47),
                         torch.randn(1, 3, 40, 40).to(memory_format=torch.channels_last))
        text = volute.torch.report(fast)
        self.assertEqual(text, "\n".join([
            "on Volute:",
            "  stem.0: conv2d, batch_norm, relu",
            "  stem.3: max_pool2d",
            "  blocks.0.conv1: conv2d, batch_norm, relu",
            "  blocks.0.conv2: conv2d, batch_norm, add, relu",
            "  blocks.1.conv1: conv2d, batch_norm, relu",
            "  blocks.1.conv2: conv2d, batch_norm, add, relu",
            "  blocks.1.downsample.0: conv2d, batch_norm",
            "  pool: adaptive_avg_pool2d",
            "left to PyTorch:",
            "  fc: Linear is neither a convolution nor a pooling",
        ]))
        self.assertFalse([m for m in fast.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))])
        for name, value in net.state_dict().items():
            self.assertTrue(torch.equal(value, before[name]), name)
        stem = [m for m in fast.modules() if isinstance(m, volute.torch.Fused)][0]
        self.assertEqual(len(stem.kernels()), 3)

    def test_what_cannot_be_traced(self):
        net = randomised(Dynamic())
        x = torch.rand(1, 3, 12, 12)
        fast = self.same(net, x, -x)
        text = volute.torch.report(fast)
        self.assertIn("  chain.0: conv2d, batch_norm, relu\n  chain.3: avg_pool2d\n"
                      "  other: conv_transpose2d\n", text)
        self.assertIn("the whole: cannot be traced", text)

    def test_every_kind_of_layer(self):
        def images(spatial, channels=4):
            return torch.randn(2, channels, *[9, 10, 8][:spatial])

        layers = {1: [], 2: [], 3: []}
        for n in (1, 2, 3):
            conv, transposed = getattr(nn, f"Conv{n}d"), getattr(nn, f"ConvTranspose{n}d")
            layers[n] += [conv(4, 6, 3, padding="same"), conv(4, 6, 3, 2, 1, dilation=2, groups=2),
                          conv(4, 4, 3, padding=1, padding_mode="reflect" if n < 3 else "replicate"),
                          conv(4, 4, 3, padding=1, padding_mode="circular"),
                          transposed(4, 6, 3, 2, 1, 1, groups=2),
                          getattr(nn, f"MaxPool{n}d")(3, 2, 1, ceil_mode=True),
                          getattr(nn, f"AvgPool{n}d")(3, 2, 1, count_include_pad=False),
                          getattr(nn, f"AdaptiveAvgPool{n}d")(3),
                          getattr(nn, f"AdaptiveMaxPool{n}d")(4)]
            if n < 3:
                layers[n].append(getattr(nn, f"LPPool{n}d")(2, 3, stride=2))
        for n, all_of_n in layers.items():
            for layer in all_of_n:
                with self.subTest(layer=str(layer)):
                    chain = nn.Sequential(layer).eval()
                    inputs = [images(n), images(n)[0]]
                    if getattr(layer, "padding_mode", "") == "circular":
                        inputs.pop()  # PyTorch 1.13 wants a batch there
                    fast = self.same(chain, *inputs)
                    self.assertEqual(len(fast._volute_report.taken), 1)

    def test_poolings_that_are_left_say_why(self):
        for layer, why in [
            (nn.MaxUnpool2d(2), "MaxUnpool2d has two inputs"),
            (nn.FractionalMaxPool2d(2, 3), "FractionalMaxPool2d draws its windows at random"),
            (nn.LPPool2d(3, 2), "its norm 3 is of x, and Volute's of |x|"),
            (nn.MaxPool2d(2, return_indices=True), "gives indices"),
            (nn.AdaptiveMaxPool2d(2, return_indices=True), "gives indices"),
            (nn.AdaptiveAvgPool2d((2, None)), "its output size follows the input's"),
        ]:
            with self.subTest(layer=str(layer)):
                fast = volute.torch.optimize(nn.Sequential(nn.Conv2d(1, 1, 1), layer).eval())
                self.assertIn(f"  1: {why}", volute.torch.report(fast))

    def test_every_activation(self):
        for activation in [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.ELU(1.5), nn.Hardtanh(-1, 2),
                           nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.Hardsigmoid(), nn.Hardswish(),
                           nn.Mish(), nn.GELU(), nn.GELU(approximate="tanh")]:
            with self.subTest(activation=str(activation)):
                chain = nn.Sequential(nn.Conv2d(3, 5, 3), activation).eval()
                fast = self.same(chain, torch.randn(1, 3, 8, 8))
                self.assertEqual(len(fast._volute_report.taken[0][1].steps()), 2)
                self.assertEqual(fast._volute_report.left, [])

    def test_functions_and_methods_that_follow(self):
        class Functional(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

            def forward(self, x):
                y = torch.nn.functional.relu(self.a(x), inplace=True)
                z = self.b(y).sigmoid()
                return torch.add(z, y) + 1, y  # y is used twice, and given

        fast = self.same(Functional().eval(), torch.randn(1, 3, 6, 6))
        self.assertEqual([(n, f.steps()) for n, f in fast._volute_report.taken],
                         [("a", ["conv2d", "relu"]), ("b", ["conv2d", "sigmoid", "add"])])

    def test_a_layer_that_is_called_twice(self):
        class Shared(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(4, 4, 3, padding=1)

            def forward(self, x):
                return self.conv(torch.relu(self.conv(x)))

        fast = self.same(Shared().eval(), torch.randn(1, 4, 6, 6))
        self.assertEqual([f.steps() for _, f in fast._volute_report.taken],
                         [["conv2d", "relu"], ["conv2d"]])

    def test_a_value_of_its_own_sum(self):
        """conv(x) + conv(x), of one node: nothing to be folded, and nothing to be lost."""

        class Doubled(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                y = self.conv(x)
                return y + y

        self.same(Doubled().eval(), torch.randn(1, 3, 5, 5))

    def test_additions_of_anything(self):
        """What is added has another shape, another type, or is no tensor at all."""

        class Adds(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 1)

            def forward(self, x, r):
                return torch.relu(self.conv(x) + r)

        net, x = Adds().eval(), torch.randn(2, 3, 5, 5)
        fast = volute.torch.optimize(net)
        self.assertEqual(fast._volute_report.taken[0][1].steps(), ["conv2d", "add", "relu"])
        for r in (torch.randn(2, 4, 5, 5), torch.randn(1, 4, 1, 1), torch.randn(5), torch.tensor(2), 3,
                  torch.randn(2, 4, 5, 5).double(), torch.randn(2, 4, 5, 5).transpose(2, 3)):
            with torch.no_grad():
                wanted, found = net(x, r), fast(x, r)
            self.assertEqual(found.dtype, wanted.dtype)
            torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)

    def test_batch_norms_that_are_no_constants_are_left(self):
        for norm in (nn.BatchNorm2d(4, track_running_stats=False).eval(), nn.BatchNorm2d(4).train()):
            net = nn.Sequential(nn.Conv2d(3, 4, 1), norm)
            net.training = False
            net[0].eval()
            x = torch.randn(2, 3, 5, 5)
            fast = volute.torch.optimize(net)
            self.assertEqual(fast._volute_report.taken[0][1].steps(), ["conv2d"])
            self.assertIn("1: BatchNorm2d is neither", volute.torch.report(fast))

    def test_hooks_are_kept(self):
        seen = []
        net = nn.Sequential(Block(4), nn.Conv2d(4, 4, 1)).eval()
        net[0].register_forward_hook(lambda m, i, o: seen.append(1))
        fast = self.same(net, torch.randn(1, 4, 6, 6))
        self.assertEqual(len(seen), 2)
        self.assertIn("the whole: cannot be traced (0 has hooks)", volute.torch.report(fast))

    def test_what_is_left_says_why(self):
        hooked = nn.Conv2d(3, 3, 1)
        hooked.register_forward_hook(lambda m, i, o: None)
        net = nn.Sequential(hooked, nn.MaxPool2d(2, return_indices=True)).eval()
        fast = volute.torch.optimize(nn.Sequential(hooked).eval())
        self.assertIn("0: it has hooks", volute.torch.report(fast))
        self.assertIn("gives indices", volute.torch.report(volute.torch.optimize(net[1:].eval())))
        with self.assertRaisesRegex(ValueError, "call module.eval"):
            volute.torch.optimize(nn.Conv2d(3, 3, 1))

    def test_narrow_and_wide_floats(self):
        net = randomised(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())).double()
        self.same(net, torch.randn(1, 3, 9, 9, dtype=torch.float64), close=1e-9)
        fast = volute.torch.optimize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval().bfloat16())
        self.assertEqual(fast(torch.randn(1, 3, 9, 9).bfloat16()).dtype, torch.bfloat16)
        with self.assertRaisesRegex(volute.Error, "f32|f64"):
            volute.torch.optimize(net)(torch.randn(1, 3, 9, 9))

    def test_modules_are_copied_and_saved(self):
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
        fast = self.same(net, torch.randn(1, 3, 9, 9))
        x = torch.randn(1, 3, 5, 5)
        self.assertTrue(torch.equal(copy.deepcopy(fast)(x), fast(x)))
        file = io.BytesIO()
        torch.save(fast, file)
        file.seek(0)
        loaded = torch.load(file)
        self.assertTrue(torch.equal(loaded(x), fast(x)))


@unittest.skipUnless(torch, "torch is not installed")
class Operators(unittest.TestCase):
    def test_they_compute_what_pytorch_does(self):
        x = torch.randn(1, 4, 9, 9)
        w, b = torch.randn(6, 2, 3, 3), torch.randn(6)
        close = dict(rtol=1e-4, atol=1e-4)
        F, V = torch.nn.functional, torch.ops.volute
        torch.testing.assert_close(V.conv2d(x, w, b, [2, 2], 1, 1, 2), F.conv2d(x, w, b, 2, 1, 1, 2), **close)
        torch.testing.assert_close(V.conv_transpose2d(x, torch.randn(4, 3, 3, 3) * 0 + 1, None, 2),
                                   F.conv_transpose2d(x, torch.ones(4, 3, 3, 3), None, 2), **close)
        torch.testing.assert_close(V.max_pool2d(x, 3, 2), F.max_pool2d(x, 3, 2))
        torch.testing.assert_close(V.avg_pool1d(x[0], [2]), F.avg_pool1d(x[0], 2), **close)
        torch.testing.assert_close(V.adaptive_avg_pool2d(x, [3, 2]), F.adaptive_avg_pool2d(x, (3, 2)), **close)

    def test_shapes_without_elements(self):
        x, w = torch.empty(2, 3, 9, 9, device="meta"), torch.empty(4, 3, 3, 3, device="meta")
        y = torch.ops.volute.conv2d(x, w, None, [2, 2], [1, 1])
        self.assertEqual((y.device.type, tuple(y.shape)), ("meta", (2, 4, 5, 5)))


def load_tests(loader, tests, pattern):
    if torch:
        tests.addTests(doctest.DocTestSuite(volute.torch))
    return tests


if __name__ == "__main__":
    unittest.main()
