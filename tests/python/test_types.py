"""The package's types, by mypy where it is installed: strict, and apart from what other packages say of theirs."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "python", "volute")

# What torch and NumPy export, and with which types, differs from version to version.
CONFIG = """[mypy]
strict = True
disallow_subclassing_any = False
[mypy-torch.*,numpy.*]
follow_imports = skip
"""


@unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
class Types(unittest.TestCase):
    def check(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            config = os.path.join(folder, "mypy.ini")
            with open(config, "w") as file:
                file.write(CONFIG)
            return subprocess.run([sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", folder,
                                   *arguments], capture_output=True, text=True)

    def test_the_package_is_typed(self):
        done = self.check(PACKAGE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_programs_see_the_types(self):
        """Through py.typed and the stub of the extension module: what fits passes, what does not is found."""
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program.py")
            with open(program, "w") as file:
                file.write("import volute\n"
                           "kernel: volute.Kernel = volute.compile('...').bind(w=1)\n"
                           "name: str = kernel.name + kernel.inspect('asm') + kernel.type('x')\n"
                           "kernel.workspace_bytes + 'bytes'\n"
                           "volute.max_pool2d(1, 'two')\n")
            os.environ["MYPYPATH"] = os.path.dirname(PACKAGE)
            done = self.check(program)
        found = [line.split(": error: ")[0].rsplit(":", 1)[1] for line in done.stdout.splitlines() if ": error: " in line]
        self.assertEqual(found, ["4", "5"], done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
