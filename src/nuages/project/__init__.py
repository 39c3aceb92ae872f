"""The Django project as it is: read from its files, then asked by a probe that runs in a scratch copy."""

from nuages.project.inspection import inspect_project
from nuages.project.reading import read_files
from nuages.project.rendering import report
from nuages.project.stored import as_json, from_json


__all__ = ["as_json", "from_json", "inspect_project", "read_files", "report"]
