"""Kernels, programs, sessions, and arrays of every kind, from Python."""

import array
import contextlib
import ctypes
import doctest
import gc
import html.parser
import io
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
import time
import unittest
import weakref

import numpy

import volute
import volute.functional

LAYER = """program @layer(%x: f32[n=1, c=2, w=5], %w: f32[o=3, i=2, w=3]) {
  %0 = conv %x, %w
  %y = relu %0
  return %y
}
"""
RELU = "program @r(%x: f32[n=1, c=1, w=4]) {\n  %y = relu %x\n  return %y\n}"


def floats(*shape):
    """Whole numbers, so that sums are exact."""
    count = int(numpy.prod(shape))
    return (numpy.arange(count) % 7 - 3).astype(numpy.float32).reshape(shape)


def conv1d(x, w):
    """The layer above, by hand."""
    n, _, length = x.shape
    taps = w.shape[2]
    y = numpy.zeros((n, w.shape[0], length - taps + 1), x.dtype)
    for k in range(taps):
        y += numpy.einsum("ncw,oc->now", x[:, :, k:k + y.shape[2]], w[:, :, k])
    return numpy.maximum(y, 0)


class Kernels(unittest.TestCase):
    def setUp(self):
        self.kernel = volute.compile(LAYER)
        self.x, self.w = floats(1, 2, 5), floats(3, 2, 3)
        self.expected = conv1d(self.x, self.w)

    def test_makes_its_output_or_writes_to_the_one_given(self):
        made = self.kernel(self.x, self.w)
        numpy.testing.assert_array_equal(made, self.expected)
        self.assertEqual(made.dtype, numpy.float32)
        y = numpy.full((1, 3, 3), -1, numpy.float32)
        self.assertIs(self.kernel(self.x, self.w, y), y)
        numpy.testing.assert_array_equal(y, self.expected)

    def test_runs_by_name(self):
        y = numpy.empty((1, 3, 3), numpy.float32)
        self.assertIs(self.kernel.run(w=self.w, y=y, x=self.x), y)
        numpy.testing.assert_array_equal(y, self.expected)
        numpy.testing.assert_array_equal(self.kernel.run(w=self.w, x=self.x), self.expected)
        with self.assertRaisesRegex(TypeError, "layer has no z; there are x, w, y"):
            self.kernel.run(z=self.x)
        with self.assertRaisesRegex(TypeError, "layer wants w too"):
            self.kernel.run(x=self.x)

    def test_a_bound_kernel_owns_what_it_was_given(self):
        bound = self.kernel.bind(w=self.w)
        self.w[:] = 99
        numpy.testing.assert_array_equal(bound(self.x), self.expected)
        self.assertEqual((bound.inputs, self.kernel.inputs), (["x"], ["x", "w"]))
        self.assertGreater(bound.owned_bytes, 0)
        self.assertEqual(self.kernel.bind(), self.kernel)
        with self.assertRaisesRegex(volute.Error, "q"):
            self.kernel.bind(q=self.w)
        with self.assertRaisesRegex(volute.Error, r"%w is f32\[o=3, i=2, w=3\], not"):
            self.kernel.bind(w=self.x)
        with self.assertRaisesRegex(volute.Error, "bound already|no input"):
            bound.bind(w=self.w)

    def test_says_what_it_is(self):
        self.assertEqual(
            repr(self.kernel),
            "<volute.Kernel @layer(x: f32[n=1, c=2, w=5], w: f32[o=3, i=2, w=3]) -> "
            "y: f32[n=1, c=3, w=3]>")
        self.assertEqual(self.kernel.type("y"), "f32[n=1, c=3, w=3]")
        with self.assertRaises(KeyError):
            self.kernel.type("z")
        self.assertEqual(self.kernel.program.text, LAYER)
        self.assertEqual(self.kernel.inspect("program"), LAYER)
        self.assertIn("multiply-adds", self.kernel.report)
        page = self.kernel._repr_html_()
        for part in ("@layer", "<summary>schedule</summary>", "f32[n=1, c=3, w=3]"):
            self.assertIn(part, page)

    def test_a_notebook_shows_the_page_of_everything(self):
        """In a frame, whose attribute is all of the page: nothing of it gets into the notebook."""
        frames = []

        class Frames(html.parser.HTMLParser):
            def handle_starttag(self, tag, attributes):
                if tag == "iframe":
                    frames.append(dict(attributes))
                self.assertions.append(tag)

        parser = Frames()
        parser.assertions = tags = []
        parser.feed(self.kernel._repr_html_())
        parser.close()
        self.assertEqual(len(frames), 1)
        self.assertEqual(frames[0]["sandbox"], "allow-scripts")
        timeless = re.compile(r'"(\w*milliseconds|total|cpu|lower|emit|object|link)":[0-9.e-]+')
        self.assertEqual(timeless.sub("", frames[0]["srcdoc"]), timeless.sub("", self.kernel.inspect("html")))
        self.assertLessEqual(set(tags), {"div", "p", "b", "details", "summary", "pre", "iframe"})
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>',
                         frames[0]["srcdoc"], re.S).group(1)
        stages = [panel["stage"] for panel in json.loads(data)["panels"]]
        self.assertEqual(stages, ["program", "nest", "schedule", "loops", "llvm", "asm"])

    def test_every_stage_is_a_text(self):
        for stage in volute.STAGES:
            self.assertTrue(self.kernel.inspect(stage), stage)
        with self.assertRaisesRegex(volute.Error, "there is no stage 'object'"):
            self.kernel.inspect("object")

    def test_what_does_not_fit_is_refused_in_words(self):
        refused = self.assertRaisesRegex
        with refused(TypeError, "layer takes 2 inputs, and may be given 1 output behind; 1 argument was"):
            self.kernel(self.x)
        with refused(TypeError, "by position; kernel.run"):
            self.kernel(self.x, w=self.w)
        with refused(volute.Error, r"layer: %x is f32\[n=1, c=2, w=5\], not f32\[n=1, c=2, w=6\]"):
            self.kernel(floats(1, 2, 6), self.w)
        with refused(volute.Error, r"%x is f32\[n=1, c=2, w=5\], not an array of 2 axes"):
            self.kernel(self.x[0], self.w)
        with refused(volute.Error, "not f64"):
            self.kernel(self.x.astype(float), self.w)
        with refused(TypeError, "expected an array"):
            self.kernel([1, 2, 3], self.w)
        with refused(TypeError, "expected an array"):
            self.kernel(None, self.w)
        with refused(TypeError, "elements of float32"):
            self.kernel(self.x.astype(complex), self.w)
        with refused(TypeError, "in the machine's byte order"):
            self.kernel(self.x.astype(">f4"), self.w)
        with refused(TypeError, "elements of float32"):
            self.kernel(self.x > 0, self.w)
        with refused(volute.Error, "two bytes"):
            self.kernel(self.x.astype(numpy.uint16), self.w)
        with refused(ValueError, "at most 8"):
            self.kernel(floats(*[1] * 9), self.w)
        y = numpy.empty((1, 3, 3), numpy.float32)
        y.flags.writeable = False
        with refused(ValueError, "read-only"):
            self.kernel(self.x, self.w, y)
        with refused(volute.Error, "overlap"):
            self.kernel(self.x, self.w, self.x.ravel()[:9].reshape(1, 3, 3))
        with refused(volute.Error, "stride"):
            self.kernel(self.x[:, :, ::-1], self.w)

    def test_nothing_leaks(self):
        bound = self.kernel.bind(w=self.w)
        count = sys.getrefcount(self.x)
        for _ in range(100):
            bound(self.x)
            volute.relu(self.x)
            with contextlib.suppress(volute.Error):
                bound(self.w)
        self.assertEqual(sys.getrefcount(self.x), count)
        ended = weakref.ref(self.kernel.program)
        self.assertIsNotNone(ended())

    def test_handles_end_in_any_order(self):
        session = volute.Session(threads=2)
        program = volute.Program(LAYER)
        kernel = volute.compile(program, session=session)
        del session, program
        gc.collect()
        numpy.testing.assert_array_equal(kernel(self.x, self.w), self.expected)


class Arrays(unittest.TestCase):
    def test_anything_with_a_buffer(self):
        kernel = volute.compile(
            "program @b(%x: f32[w=4, n=1, c=1]) {\n  %y = relu %x\n  return %y\n}")
        flat = array.array("f", [1, -2, 3, -4])
        view = memoryview(flat).cast("B").cast("f", (4, 1, 1))
        y = memoryview(bytearray(16)).cast("f", (4, 1, 1))
        self.assertIs(kernel(view, y), y)
        self.assertEqual(y.tolist(), [[[1.0]], [[0.0]], [[3.0]], [[0.0]]])
        numbers = ((ctypes.c_float * 1) * 1 * 4)()
        numbers[2][0][0] = 5
        self.assertEqual(kernel(numbers).ravel().tolist(), [0, 0, 5, 0])

    def test_anything_with_dlpack(self):
        class Wrapped:
            def __init__(self, held):
                self.held = held

            def __dlpack__(self, stream=None):
                return self.held.__dlpack__()

        x = numpy.array([[[1, -2, 3, -4]]], numpy.float32)
        taken = sys.getrefcount(x)
        for _ in range(10):
            self.assertEqual(volute.compile(RELU)(Wrapped(x)).ravel().tolist(), [1, 0, 3, 0])
        self.assertEqual(sys.getrefcount(x), taken)

    def test_every_element_type(self):
        for name, dtype in [("f32", "f4"), ("f64", "f8"), ("f16", "f2"), ("i8", "i1"), ("u8", "u1"),
                            ("i32", "i4"), ("i64", "i8")]:
            kernel = volute.compile(
                f"program @m(%x: {name}[n=1, c=1, w=4]) {{\n  %y = max_pool %x {{kernel = 2}}\n"
                "  return %y\n}")
            y = kernel(numpy.array([[[3, 1, 2, 4]]], dtype))
            self.assertEqual((y.ravel().tolist(), y.dtype), ([3, 4], numpy.dtype(dtype)))
        kernel = volute.compile(RELU.replace("f32", "bf16"))
        bits = numpy.array([[[0x3F80, 0xBF80, 0x4000, 0xC000]]], numpy.uint16)  # 1 -1 2 -2
        self.assertEqual(kernel(bits).ravel().tolist(), [0x3F80, 0, 0x4000, 0])

    def test_strides_that_were_compiled_for(self):
        wide = floats(1, 1, 8)
        kernel = volute.compile(RELU, like={"x": wide[:, :, ::2]})
        numpy.testing.assert_array_equal(kernel(wide[:, :, ::2]), numpy.maximum(wide[:, :, ::2], 0))
        with self.assertRaisesRegex(volute.Error, "stride"):
            kernel(wide[:, :, :4])
        out = volute.compile(RELU, like={"y": wide[:, :, ::2]})
        with self.assertRaisesRegex(volute.Error, "has to be given"):
            out(wide[:, :, :4])
        target = numpy.full((1, 1, 8), 9, numpy.float32)
        out(wide[:, :, :4].copy(), target[:, :, ::2])
        self.assertEqual(target[0, 0, 1::2].tolist(), [9] * 4)

    def test_in_place(self):
        x = floats(1, 1, 4)
        expected = numpy.maximum(x, 0)
        self.assertIs(volute.compile(RELU)(x, x), x)
        numpy.testing.assert_array_equal(x, expected)
        y = floats(2, 3)
        self.assertIs(volute.relu(y, inplace=True), y)
        self.assertGreaterEqual(y.min(), 0)

    def test_several_outputs_and_none_of_another_kind(self):
        y, places = volute.max_pool1d_with_indices(numpy.array([[[1, 9, 3, 4]]], "f4"), 2)
        self.assertEqual((y.tolist(), places.tolist()), ([[[9, 4]]], [[[1, 3]]]))
        self.assertEqual(places.dtype, numpy.int64)

    def test_empty_batches(self):
        self.assertEqual(volute.max_pool2d(numpy.zeros((0, 3, 4, 4), "f4"), 2).shape, (0, 3, 2, 2))


class Compiling(unittest.TestCase):
    def test_errors_have_places_rules_and_numbers(self):
        with self.assertRaises(volute.Error) as caught:
            volute.Program("program @p(%x: f32[n=1, c=63, w=8], %w: f32[o=4, i=31, w=3]) {\n"
                           "  %y = conv %x, %w {groups = 2}\n  return %y\n}", "edge.vlt")
        error = caught.exception
        self.assertIsInstance(error, RuntimeError)
        found = error.diagnostics[0]
        self.assertEqual((found.line, found.column, found.subject), (2, 21, "conv"))
        self.assertEqual(found.message, "groups = 2 does not divide the input's 63 channels")
        self.assertTrue(error.rendered.startswith("edge.vlt:2:21: error: conv: groups = 2"))
        self.assertIn("^", error.rendered)

    def test_options(self):
        kernel = volute.compile(LAYER, schedule="naive", target="haswell", accuracy=0,
                                deterministic=True, flush_denormals=False)
        self.assertIn("haswell", kernel.report)
        with self.assertRaisesRegex(volute.Error, "schedule:1:5:"):
            volute.compile(LAYER, schedule="for q")
        with self.assertRaisesRegex(volute.Error, "accuracy: '-1' is not a number of 0 or more"):
            volute.compile(LAYER, accuracy=-1)
        with self.assertRaisesRegex(volute.Error, "no such option"):
            volute.Session(thread=1)
        with self.assertRaises(ValueError):
            volute.Program("program\0")

    def test_programs_are_read_with_the_files_beside_them(self):
        with tempfile.TemporaryDirectory() as folder:
            numpy.save(os.path.join(folder, "w.npy"), floats(1, 1, 1, 2)[0])
            path = os.path.join(folder, "p.vlt")
            with open(path, "w") as file:
                file.write("program @p(%x: f32[n=1, c=1, w=3]) {\n"
                           "  %w = const file(\"w.npy\") : f32[o=1, i=1, w=2]\n"
                           "  %y = conv %x, %w\n  return %y\n}\n")
            program = volute.Program.read(path)
            with open(path) as file, self.assertRaises(volute.Error):
                volute.Program(file.read())
        self.assertEqual(repr(program), "<volute.Program @p>")
        x = numpy.array([[[1, 2, 3]]], "f4")
        self.assertEqual(volute.compile(program)(x).tolist(), [[[-7, -12]]])

    def test_builders(self):
        def chain(b):
            x = b.input("x", "f32[n=1, c=1, w=6]")
            w = b.constant([1, 0.5], "f32[o=1, i=1, w=2]")
            y, places = b.max_pool(b.conv(x, w), kernel=2, results=2, ceil_mode=True)
            return b.clamp(y, min=0, max=float("inf")), places

        kernel = volute.compile(chain)
        self.assertEqual((kernel.name, kernel.outputs), ("chain", ["y0", "y1"]))
        y, places = kernel(numpy.array([[[2, 4, 2, -8, -2, 2]]], "f4"))
        self.assertEqual((y.tolist(), places.tolist()), ([[[5, 0, 0]]], [[[1, 2, 4]]]))
        with self.assertRaisesRegex(TypeError, "attributes are given by name"):
            volute.compile(lambda b: b.max_pool(b.input("x", "f32[n=1, c=1, w=6]"), 2))
        with self.assertRaisesRegex(volute.Error, "max_pol"):
            volute.compile(lambda b: b.max_pol(b.input("x", "f32[n=1, c=1, w=6]")))

    def test_a_session_compiles_a_configuration_once(self):
        session = volute.Session()
        begin = time.process_time()  # however busy the machine is
        first = volute.compile(LAYER, session=session)
        between = time.process_time()
        volute.compile(LAYER, session=session)
        self.assertLess(time.process_time() - between, (between - begin) / 2)
        session.clear_cache()
        self.assertEqual(first.mapped_bytes, volute.compile(LAYER, session=session).mapped_bytes)


class Threads(unittest.TestCase):
    def test_kernels_run_beside_each_other(self):
        """The GIL is released: another thread goes on while one is inside of a long call."""
        n = 192
        kernel = volute.compile(f"program @l(%x: f32[n=1, c={n}, h=80, w=80], %w: f32[o={n}, i={n}, h=3, w=3])"
                                "{\n  %y = conv %x, %w\n  return %y\n}", schedule="naive")
        x, w = floats(1, n, 80, 80), floats(n, n, 3, 3)
        y = numpy.empty((1, n, 78, 78), numpy.float32)
        inside, turns = threading.Event(), 0
        thread = threading.Thread(target=lambda: (inside.set(), kernel(x, w, y), inside.clear()))
        thread.start()
        inside.wait()
        begin = time.perf_counter()
        while inside.is_set():
            turns += 1
            time.sleep(0.001)
        thread.join()
        self.assertGreater(turns, 3, f"of {time.perf_counter() - begin} s")

    def test_functions_and_compiles_from_many_threads(self):
        volute.functional._kernels.clear()
        failures = []

        def work(seed):
            try:
                for i in range(30):
                    x = floats(1, 1, 4 + (seed + i) % 5, 6)
                    numpy.testing.assert_array_equal(
                        volute.max_pool2d(x, (x.shape[2], 6)).ravel(), [x.max()])
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_a_session_of_several_threads_gives_the_same(self):
        x, w = floats(2, 8, 40, 40), floats(16, 8, 3, 3)
        text = ("program @c(%x: f32[n=2, c=8, h=40, w=40], %w: f32[o=16, i=8, h=3, w=3]) {\n"
                "  %y = conv %x, %w\n  return %y\n}")
        one = volute.compile(text, session=volute.Session(threads=1))(x, w)
        two = volute.compile(text, session=volute.Session(threads=2))(x, w)
        numpy.testing.assert_array_equal(one, two)

    def test_an_interrupt_gives_a_compile_up(self):
        """Ctrl-C in the middle of a compile of seconds: it is heard, and the compile ends there."""
        session = volute.Session(disk_cache=0)

        def network(layers):
            def build(b):
                y = b.input("x", "f32[n=1, c=32, h=400, w=400]")
                for i in range(layers):
                    taps = 5 - 2 * (i % 2)
                    y = b.relu(b.conv(y, b.input(f"w{i}", f"f32[o=32, i=32, h={taps}, w={taps}]")))
                return y
            return build

        begin = time.process_time()
        volute.compile(network(4), session=session)
        whole = (time.process_time() - begin) / 4 * 60  # of the longer one, about

        def interrupt():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        timer = threading.Timer(0.3, interrupt)
        begin = time.process_time()  # however busy the machine is
        with self.assertRaises(KeyboardInterrupt):
            timer.start()
            volute.compile(network(60), session=session)
        self.assertLess(time.process_time() - begin, whole / 2, f"of {whole} s")
        timer.join()
        while True:  # until the process rests
            last = time.process_time()
            time.sleep(0.3)
            if time.process_time() - last < 0.03:
                break
        self.assertLess(time.process_time() - begin, whole / 2, f"of {whole} s")

    def test_tiered_kernels_answer_at_once_and_become_the_good_ones(self):
        session = volute.Session(disk_cache=0)
        x, w = floats(1, 2, 5), floats(3, 2, 3)
        kernel = volute.compile(LAYER, tiered=True, session=session)
        bound = kernel.bind(w=w)
        w_then = w.copy()
        w[:] = 99  # it was copied
        expected = conv1d(x, w_then)
        for one in (kernel, bound):
            self.assertEqual(one.final, one.mapped_bytes > 0)
        numpy.testing.assert_array_equal(kernel(x, w_then), expected)
        numpy.testing.assert_array_equal(bound(x), expected)
        self.assertTrue(kernel.wait())
        self.assertTrue(bound.wait(600))
        for one in (kernel, bound):
            self.assertTrue(one.final)
            self.assertGreater(one.mapped_bytes, 0)  # it has code
        numpy.testing.assert_array_equal(kernel(x, w_then), expected)
        numpy.testing.assert_array_equal(bound.run(x=x), expected)
        self.assertTrue(volute.compile(LAYER, tiered=True, session=session).final)
        plain = volute.compile(LAYER, session=session)
        self.assertTrue(plain.final)
        self.assertTrue(plain.wait(0))
        plain.cancel()  # of nothing

    def test_both_tiers_of_a_deterministic_kernel_give_the_same_bits(self):
        program = """program @p(%x: f32[n=1, h=20, w=20, c=32], %w: f32[o=32, i=32, h=3, w=3]) {
          %0 = conv %x, %w {pad = 1}
          %y = sigmoid %0
          return %y
        }"""
        random = numpy.random.default_rng(1)
        x = random.standard_normal((1, 20, 20, 32), dtype=numpy.float32)
        w = random.standard_normal((32, 32, 3, 3), dtype=numpy.float32) * numpy.float32(0.1)
        session = volute.Session(disk_cache=0)
        kernel = volute.compile(program, tiered=True, deterministic=True, session=session)
        at_first = kernel(x, w)
        while not kernel.wait(0):
            self.assertTrue(numpy.array_equal(kernel(x, w), at_first))
        self.assertGreater(kernel.mapped_bytes, 0)
        self.assertTrue(numpy.array_equal(kernel(x, w), at_first))

    def test_tiered_kernels_are_given_up_and_say_what_was_refused(self):
        session = volute.Session(disk_cache=0)

        def network(b):
            y = b.input("x", "f32[n=1, c=8, h=90, w=90]")
            for i in range(40):
                y = b.conv(y, b.input(f"w{i}", "f32[o=8, i=8, h=3, w=3]"))
            return y

        kernel = volute.compile(network, tiered=True, session=session)
        self.assertFalse(kernel.final)
        self.assertFalse(kernel.wait(0))
        self.assertFalse(kernel.wait(0.01))
        self.assertFalse(kernel.wait(-1))
        self.assertFalse(kernel.wait(math.nan))

        timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with self.assertRaises(KeyboardInterrupt):
            timer.start()
            kernel.wait()
        timer.join()
        kernel.cancel()
        with self.assertRaisesRegex(volute.Error, "network: its compilation was cancelled"):
            kernel.wait()
        self.assertTrue(kernel.final)
        x = floats(1, 8, 90, 90)
        w = numpy.zeros((8, 8, 3, 3), numpy.float32)
        w[range(8), range(8), 1, 1] = 1
        numpy.testing.assert_array_equal(kernel(x, *[w] * 40), x[:, :, 40:50, 40:50])

        with self.assertRaisesRegex(volute.Error, "no such"):
            volute.compile(LAYER, target="no such", tiered=True)
        kernel = volute.compile(LAYER, schedule="for q", tiered=True, session=session)
        with self.assertRaisesRegex(volute.Error, "^schedule:1:5: "):
            kernel.wait()
        self.assertIn("schedule:1:5: ", kernel._repr_html_())
        numpy.testing.assert_array_equal(kernel(floats(1, 2, 5), floats(3, 2, 3)),
                                         conv1d(floats(1, 2, 5), floats(3, 2, 3)))

    def test_an_interrupt_is_heard_while_something_is_inspected(self):
        entered, may_end = threading.Event(), threading.Event()

        def slow():
            entered.set()
            may_end.wait(30)
            return 1

        def interrupt():
            entered.wait()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        begin = time.perf_counter()
        with self.assertRaises(KeyboardInterrupt):
            volute._core._interruptible(slow)
        self.assertLess(time.perf_counter() - begin, 10)
        may_end.set()
        self.assertEqual(volute._core._interruptible(lambda: 2), 2)
        with self.assertRaises(ZeroDivisionError):
            volute._core._interruptible(lambda: 1 / 0)


class Functions(unittest.TestCase):
    def test_refusals_are_errors_and_wrong_kinds_are_type_errors(self):
        x, w = floats(1, 4, 8, 8), floats(6, 4, 3, 3)
        refused = self.assertRaisesRegex
        with refused(volute.Error, "conv2d: the input has 2 axes, and 4 are wanted"):
            volute.conv2d(x[0, 0], w)
        with refused(volute.Error, "groups = 3 does not divide"):
            volute.conv2d(x, w, groups=3)
        with refused(TypeError, r"conv2d\(\): argument 'stride' must be an int or a tuple of ints, not"):
            volute.conv2d(x, w, stride=1.5)
        with refused(TypeError, "argument 'stride'"):
            volute.conv2d(x, w, stride="2")
        with refused(TypeError, "argument 'kernel_size'"):
            volute.max_pool2d(x, True)
        with refused(volute.Error, "stride"):
            volute.conv2d(x, w, stride=(1, 2, 3))
        with refused(volute.Error, "pad"):
            volute.conv2d(x, w, padding="round")
        with refused(NotImplementedError, "softplus: threshold = 2 is not 20"):
            volute.softplus(x, threshold=2)
        with refused(volute.Error, "softplus: beta = 0"):
            volute.softplus(x, beta=0)
        with refused(NotImplementedError, "training"):
            volute.batch_norm(x, x, x, training=True)
        with refused(volute.Error, "pad: 8 numbers do not pad an array of 4 axes"):
            volute.pad(x, (1, 1) * 4)
        with refused(volute.Error, "pad: 3 numbers do not pad"):
            volute.pad(x, (1, 1, 1))
        with refused(volute.Error, "mode reflect pads all spatial axes of an array: 4 numbers for 4 axes"):
            volute.pad(x, (1, 1), mode="reflect")
        with refused(volute.Error, "at most 5 axes"):
            volute.relu(floats(1, 1, 1, 1, 1, 2))
        with refused(volute.Error, "index"):
            volute.max_unpool1d(floats(1, 1, 2), numpy.array([[[0, 9]]]), 2)

    def test_numbers_of_numpy_and_lists_are_numbers(self):
        x = floats(1, 1, 8, 8)
        expected = volute.max_pool2d(x, (2, 2), stride=(3, 3))
        for kernel_size, stride in [(2, 3), ([2, 2], [3, 3]), ((2,), (3,)), (numpy.int64(2), 3)]:
            numpy.testing.assert_array_equal(volute.max_pool2d(x, kernel_size, stride), expected)

    def test_layouts_follow_the_operand(self):
        x = floats(2, 5, 6, 7)
        w = floats(3, 5, 3, 3)
        expected = volute.conv2d(x, w)
        last = numpy.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        y = volute.conv2d(last, w)
        numpy.testing.assert_array_equal(y, expected)
        self.assertTrue(y.transpose(0, 2, 3, 1).flags.c_contiguous)
        wide = floats(2, 9, 8, 9)
        part = wide[:, 2:7, 1:7, 2:]
        numpy.testing.assert_array_equal(volute.conv2d(part, w), volute.conv2d(part.copy(), w))
        broadcast = numpy.broadcast_to(x[:, :1], x.shape)
        numpy.testing.assert_array_equal(
            volute.conv2d(broadcast, w), volute.conv2d(broadcast.copy(), w))
        numpy.testing.assert_array_equal(
            volute.conv2d(x.transpose(0, 1, 3, 2), w),
            volute.conv2d(x.transpose(0, 1, 3, 2).copy(), w))

    def test_one_image_without_a_batch(self):
        x, w = floats(5, 6, 7), floats(3, 5, 3, 3)
        numpy.testing.assert_array_equal(volute.conv2d(x, w), volute.conv2d(x[None], w)[0])
        y, places = volute.max_pool2d(x, 2, return_indices=True)
        self.assertEqual((y.shape, places.shape), ((5, 3, 3), (5, 3, 3)))
        last = numpy.ascontiguousarray(x.transpose(1, 2, 0)).transpose(2, 0, 1)
        numpy.testing.assert_array_equal(volute.conv2d(last, w), volute.conv2d(x, w))
        numpy.testing.assert_array_equal(volute.max_unpool2d(y, places, 2),
                                         volute.max_unpool2d(y[None], places[None], 2)[0])

    def test_elementwise_functions_take_any_number_of_axes(self):
        for shape in [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 4, 5)]:
            x = floats(*shape)
            y = volute.relu(x)
            self.assertEqual(y.shape, shape)
            numpy.testing.assert_array_equal(y, numpy.maximum(x, 0))
            numpy.testing.assert_array_equal(volute.relu(x.T), numpy.maximum(x.T, 0))
        weights = numpy.array([0.5, 2, 4], "f4")
        x = floats(2, 3)
        numpy.testing.assert_array_equal(volute.prelu(x, weights), numpy.where(x > 0, x, x * weights))

    def test_a_function_keeps_a_bounded_number_of_kernels(self):
        functional = volute.functional
        before, functional._most_kernels = functional._most_kernels, 3
        try:
            functional._kernels.clear()
            for size in range(4, 12):
                volute.relu(floats(size))
            self.assertEqual(len(functional._kernels), 3)
            volute.relu(floats(4))
        finally:
            functional._most_kernels = before

    def test_names_and_defaults_are_all_documented(self):
        for name in volute.functional.__all__:
            self.assertTrue(getattr(volute, name).__doc__, name)
        for name in volute.__all__:
            self.assertTrue(hasattr(volute, name), name)


def load_tests(loader, tests, pattern):
    for module in (volute, volute._core, volute.functional):
        tests.addTests(doctest.DocTestSuite(
            module, extraglobs={"volute": volute, "numpy": numpy},
            optionflags=doctest.NORMALIZE_WHITESPACE))
    return tests


if __name__ == "__main__":
    unittest.main()
