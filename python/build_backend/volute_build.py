"""Builds the wheel (PEP 517) from the source tree, by CMake and without the network.

Uses build/release, so that what ./quickstart has built is not built again; VOLUTE_BUILD names a
folder that is built already.
"""

import base64
import hashlib
import os
import subprocess
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
TAG = "cp311-abi3-linux_x86_64"  # Python's limited API of 3.11, which later ones have too


def _project():
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)["project"]


def _metadata(project):
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}",
             f"Summary: {project['description']}", f"License: {project['license']['text']}",
             f"Requires-Python: {project['requires-python']}"]
    lines += [f"Classifier: {c}" for c in project["classifiers"]]
    lines += [f"Requires-Dist: {d}" for d in project["dependencies"]]
    lines += ["Description-Content-Type: text/markdown", ""]
    with open(os.path.join(ROOT, project["readme"]), encoding="utf-8") as file:
        return "\n".join(lines) + "\n" + file.read()


def _run(*command):
    subprocess.run(command, cwd=ROOT, check=True)


def _built():
    """The folder of a build that has the package."""
    if folder := os.environ.get("VOLUTE_BUILD"):
        return folder
    include = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(include, "Python.h")):
        raise SystemExit(f"{include} has no Python.h: install Python's headers "
                         "(on Debian: libpython3-dev)")
    _run("cmake", "--preset", "release", f"-DVOLUTE_PYTHON_INCLUDE={include}")
    _run("cmake", "--build", "--preset", "release", "--target", "volute_python", "volute_libraries")
    return os.path.join(ROOT, "build", "release")


def _contents(prefix):
    """(path in the wheel, file): the package, and the libraries under the names they are loaded by."""
    package = os.path.join(prefix, "lib/python3/dist-packages/volute")
    for name in sorted(os.listdir(package)):
        yield f"volute/{name}", os.path.join(package, name)
    for folder, _, names in sorted(os.walk(os.path.join(prefix, "lib"))):
        for name in sorted(names):
            path = os.path.join(folder, name)
            # Of libvolute.so, .so.0.1 and .so.0.1.0, which are one, that which is the soname.
            is_soname = name.startswith("libvolute.so.") and name.count(".") == 3
            if is_soname or name == "libvolute-compiler.so":
                yield f"volute/{name}", path


def _add(wheel, records, name, data, mode=0o644):
    entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))  # the same tree, the same wheel
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    wheel.writestr(entry, data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    records.append(f"{name},sha256={digest},{len(data)}")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = _project()
    build = _built()
    info = f"{project['name']}-{project['version']}.dist-info"
    filename = f"{project['name']}-{project['version']}-{TAG}.whl"
    with tempfile.TemporaryDirectory() as prefix, \
            zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as wheel:
        for component in ("python", "library"):
            _run("cmake", "--install", build, "--prefix", prefix, "--component", component, "--strip")
        records = []
        for name, path in _contents(prefix):
            with open(path, "rb") as file:
                _add(wheel, records, name, file.read(), 0o755 if ".so" in name else 0o644)
        _add(wheel, records, f"{info}/METADATA", _metadata(project).encode())
        _add(wheel, records, f"{info}/WHEEL",
             f"Wheel-Version: 1.0\nGenerator: volute_build\nRoot-Is-Purelib: false\nTag: {TAG}\n".encode())
        with open(os.path.join(ROOT, "LICENSE"), "rb") as file:
            _add(wheel, records, f"{info}/LICENSE", file.read())
        records.append(f"{info}/RECORD,,")
        wheel.writestr(f"{info}/RECORD", "\n".join(records) + "\n")
    return filename


def build_sdist(sdist_directory, config_settings=None):
    """What git has of the tree, or all of one without git but its builds."""
    project = _project()
    base = f"{project['name']}-{project['version']}"
    filename = base + ".tar.gz"
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        names = listed.decode().split("\0")[:-1]
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(folder, name), ROOT)
                 for folder, _, files in os.walk(ROOT) for name in files]
        names = [n for n in names if n.split(os.sep)[0] not in ("build", ".git")]
    with tarfile.open(os.path.join(sdist_directory, filename), "w:gz") as archive, \
            tempfile.NamedTemporaryFile() as metadata:
        for name in sorted(names):
            archive.add(os.path.join(ROOT, name), f"{base}/{name}", recursive=False)
        metadata.write(_metadata(project).encode())
        metadata.flush()
        archive.add(metadata.name, f"{base}/PKG-INFO")
    return filename
