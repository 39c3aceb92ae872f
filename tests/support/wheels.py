"""Small wheels and source archives, for an index that is a folder."""

import base64
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path


def make_wheel(folder, name, version="1.0", tag="py3-none-any", requires=(), files=None, scripts=()):
    """A wheel with a record; `files` are path -> text, one module of the package's name where none are given."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = "".join(f"Requires-Dist: {line}\n" for line in requires)
    content = {f"{name}.py": f"VERSION = {version!r}\n", **(files or {})}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if scripts:
        content[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(f"{s}\n" for s in scripts)
    rows = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items())
    content[f"{info}/RECORD"] = f"{rows}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in content.items():
            archive.writestr(zipfile.ZipInfo(inside), text)
    return path


def _digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_source(folder, name, version="1.0", pure=True, fails=""):
    """A source archive that builds itself: its backend lies in it, so no index is asked for one."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tag = "py3-none-any" if pure else "cp313-cp313-linux_x86_64"
    support = Path(__file__).read_text()
    own = f"""{support}
def build_wheel(out, *a, **k):
    import os
    if {fails!r}:
        raise SystemExit({fails!r})
    return make_wheel(out, {name!r}, {version!r}, {tag!r}, files={{"{name}.py": "BUILT_BY = %d" % os.getuid()}}).name
"""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
        "own.py": own,
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
    }
    return _archive(folder, f"{name}-{version}", files)


def make_compiled_source(folder, name, version="1.0"):
    """A module in C, built by setuptools; `built_by()` is the user that compiled it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    setup = f"""
import os
from setuptools import Extension, setup
setup(name={name!r}, version={version!r},
      ext_modules=[Extension({name!r}, ["{name}.c"], define_macros=[("BUILT_BY", str(os.getuid()))])])
"""
    code = f"""
#include <Python.h>
static PyObject *built_by(PyObject *self, PyObject *args) {{ return PyLong_FromLong(BUILT_BY); }}
static PyMethodDef methods[] = {{{{"built_by", built_by, METH_NOARGS, ""}}, {{NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
    system = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    files = {"setup.py": setup, f"{name}.c": code, "PKG-INFO": metadata, "pyproject.toml": system}
    return _archive(folder, f"{name}-{version}", files)


def _archive(folder, stem, files):
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in files.items():
            entry = tarfile.TarInfo(f"{stem}/{inside}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
