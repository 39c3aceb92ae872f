"""Importing this makes src/nuages/runtime importable as `nuages_runtime`, as it is in a release."""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path


RUNTIME = Path(__file__).parents[2] / "src" / "nuages" / "runtime"
KEEPER = RUNTIME.parent / "keeper"

_folder = Path(tempfile.mkdtemp(prefix="nuages-runtime-"))
(_folder / "nuages_runtime").symlink_to(RUNTIME)
sys.path.insert(0, str(_folder))
sys.path.append(str(KEEPER))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
