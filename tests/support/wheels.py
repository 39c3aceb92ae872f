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


def make_source(folder, name, version="1.0", backend="", pure=True):
    """A source archive that builds itself: its backend lies in it, so no index is asked for one."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tag = "py3-none-any" if pure else "cp313-cp313-linux_x86_64"
    support = Path(__file__).read_text()
    own = f"{support}\ndef build_wheel(out, *a, **k):\n    return make_wheel(out, {name!r}, {version!r}, {tag!r}).name\n"
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n',
        "own.py": own,
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inside, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{inside}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
