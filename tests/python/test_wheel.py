"""The wheel, and `pip install .` without a network: into an environment of its own, and used there."""

import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
PROGRAM = """
import numpy, os, volute
x = numpy.arange(16, dtype="f4").reshape(1, 1, 4, 4)
assert volute.conv2d(x, numpy.ones((1, 1, 3, 3), "f4")).ravel().tolist() == [45, 54, 81, 90]
assert os.path.dirname(volute.__file__).startswith(os.environ["VOLUTE_EXPECTED"]), volute.__file__
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "libvolute" in line}
assert mapped and all(p.startswith(os.environ["VOLUTE_EXPECTED"]) for p in mapped), mapped
print(volute.__version__)
"""


def run(*command, **variables):
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(command, cwd="/", env={**env, **variables}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


class Wheel(unittest.TestCase):
    def test_a_wheel_is_whole(self):
        sys.path.insert(0, os.path.join(ROOT, "python/build_backend"))
        import volute_build

        with tempfile.TemporaryDirectory() as folder:
            name = volute_build.build_wheel(folder)
            self.assertRegex(name, r"^volute-[0-9.]+-cp311-abi3-linux_x86_64\.whl$")
            packages = os.path.join(folder, "packages")
            with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
                self.assertIsNone(wheel.testzip())
                names = wheel.namelist()
                wheel.extractall(packages)
            for part in ("volute/__init__.py", "volute/torch.py", "volute/_volute.abi3.so",
                         "volute/_volute.pyi", "volute/py.typed"):
                self.assertIn(part, names)
            recorded = [n for n in names if n.endswith("/RECORD")]
            self.assertEqual(len(recorded), 1)
            with open(os.path.join(packages, recorded[0])) as file:
                self.assertEqual([line.split(",")[0] for line in file], names)
            version = run(sys.executable, "-c", PROGRAM, PYTHONPATH=packages, VOLUTE_EXPECTED=packages)
            self.assertIn(version.strip(), name)

    def test_pip_installs_it_without_a_network(self):
        try:
            import pip  # noqa: F401
        except ImportError:
            self.skipTest("pip is not installed")
        with tempfile.TemporaryDirectory() as folder:
            run(sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet",
                "--disable-pip-version-check", "--target", folder, ROOT)
            run(sys.executable, "-c", PROGRAM, PYTHONPATH=folder, VOLUTE_EXPECTED=folder)


if __name__ == "__main__":
    unittest.main()
