"""What the documents show of Python is what comes out."""

import doctest
import os
import re
import unittest

import numpy

import volute

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))

try:
    import torch
except ImportError:
    torch = None


class Documents(unittest.TestCase):
    def test_python_md(self):
        with open(os.path.join(ROOT, "docs/python.md")) as file:
            text = file.read()
        if not torch:
            text = re.sub(r"## PyTorch's modules.*?(?=\n## )", "", text, flags=re.S)
        # Fences end an example's output.
        test = doctest.DocTestParser().get_doctest(
            re.sub(r"^```\w*$", "", text, flags=re.M), {}, "docs/python.md", "docs/python.md", 0)
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        said = []
        runner.run(test, out=said.append)
        self.assertGreater(runner.tries, 20 if torch else 15)
        self.assertEqual(runner.failures, 0, "".join(said))

    def test_readme(self):
        with open(os.path.join(ROOT, "README.md")) as file:
            text = file.read()
            blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)
        self.assertTrue(blocks)
        text_of_program = re.search(r"^```volute\n(.*?)^```$", text, flags=re.M | re.S)[1]
        x, w = numpy.ones((1, 3, 224, 224), "f4"), numpy.ones((64, 3, 7, 7), "f4")
        names = {"volute": volute, "text": text_of_program, "x": x, "w": w, "b": numpy.ones(64, "f4")}
        for block in blocks:
            exec(block, names)
        self.assertEqual(names["y"].shape, (1, 64, 112, 112))
        numpy.testing.assert_array_equal(names["z"], numpy.maximum(names["y"], 0))


if __name__ == "__main__":
    unittest.main()
