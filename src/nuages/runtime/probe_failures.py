"""Why the project does not import, in words that tell what to give it."""

from __future__ import annotations

import errno
import os
import re
import traceback


# Each names the variable. In order: django-environ and the "two scoops" helper, decouple, environs, configurations, dynaconf.
VARIABLE = [
    re.compile(pattern)
    for pattern in (
        r"[Ss]et the ['\"]?(?P<name>\w+)['\"]? env(?:ironment)? variable",
        r"^(?P<name>\w+) not found\. Declare it as envvar",
        r"[Ee]nvironment variable ['\"](?P<name>\w+)['\"] (?:is )?(?:not set|invalid|not found|required|missing)",
        r"required to be set as the environment variable ['\"](?P<name>\w+)['\"]",
        r"environment variable ['\"]?(?P<name>[A-Z][A-Z0-9_]+)['\"]? (?:is |must |has )?(?:not |be |to )?(?:set|defined|required|missing)",
        r"['\"]?(?P<name>[A-Z][A-Z0-9_]+)['\"]? (?:environment|env)\.? ?var(?:iable)? (?:is |must |has )?(?:not |be |to )?(?:set|defined|required|missing)",
        r"[Mm]issing (?:required )?env(?:ironment)?(?: variable|var)?:? ['\"]?(?P<name>[A-Z][A-Z0-9_]+)",
        r"^(?P<name>[A-Z][A-Z0-9_]+) is required in env",
    )
]
PYDANTIC = re.compile(r"^(?P<name>\w+)\n\s+(?:Field required|field required)", re.MULTILINE)
REFUSED = re.compile(
    r"connection refused|could not connect|can't connect|name or service not known|could not translate host",
    re.IGNORECASE,
)


def name_database_files():
    """SQLite's "unable to open database file" does not say which: let the error carry it."""
    try:
        import sqlite3
    except ImportError:
        return
    connect = sqlite3.connect

    def naming_connect(database, *args, **kwargs):
        try:
            return connect(database, *args, **kwargs)
        except sqlite3.OperationalError as error:
            error.filename = database
            raise

    sqlite3.connect = sqlite3.dbapi2.connect = naming_connect


def missing_folder(name):
    folder = os.path.dirname(os.path.abspath(str(name).replace("file:", "", 1).split("?")[0]))
    return "" if os.path.isdir(folder) else folder


def describe(error, recorder, root):
    frames = traceback.extract_tb(error.__traceback__)
    kind, name, cause = classify(error, recorder, own_line(frames, root))
    return {
        "kind": kind,
        "name": name,
        "what": one_line(cause if kind == "wrong_build" else error),
        "type": type(error).__name__,
        "where": syntax_line(cause, root) or own_line(traceback.extract_tb(cause.__traceback__), root) or own_line(frames, root),
        "detail": short_traceback(error, frames, root),
    }


def classify(error, recorder, where):
    """(kind, name, the error of the chain that says so)."""
    links = chain(error)
    for link in links:
        kind, name = classify_one(link, recorder)
        if kind:
            return kind, name, link
    for link in links:
        name = mentioned(link, recorder)
        if name:
            return "missing_variable", name, link
    unset = recorder.unset_at(where)
    if unset and isinstance(error, (TypeError, AttributeError, ValueError, KeyError)):
        return "missing_variable", unset[0], error
    return (*otherwise(error), error)


def mentioned(error, recorder):
    """A variable that was asked for, came back empty-handed, and is spoken of in the error."""
    text = message_of(error)
    named = [name for name in recorder.without_default() if re.search(r"\b%s\b" % re.escape(name), text)]
    return max(named, key=len) if named else ""


def chain(error):
    """The error, then what it was raised from; the outermost usually has the words for people."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return seen


def classify_one(error, recorder):  # noqa: C901, PLR0911 - one line a kind
    text = message_of(error)
    if isinstance(error, KeyError) and error.args and error.args[0] in recorder.unset():
        return "missing_variable", error.args[0]
    if isinstance(error, ModuleNotFoundError):
        return "missing_module", error.name or ""
    if isinstance(error, ImportError) and "undefined symbol" in text:  # it is there, and made for another Python
        return "wrong_build", error.name or ""
    if "unable to open database file" in text and missing_folder(getattr(error, "filename", "")):
        return "missing_folder", missing_folder(error.filename)
    if isinstance(error, FileNotFoundError) and is_logging(error) and missing_folder(error.filename):
        return "missing_folder", missing_folder(error.filename)
    if isinstance(error, FileNotFoundError):
        return "missing_file", str(error.filename or "")
    if isinstance(error, SyntaxError):
        return "syntax_error", os.path.basename(error.filename or "")
    for pattern in VARIABLE:
        found = pattern.search(text)
        if found and not found.group("name").islower():
            return "missing_variable", found.group("name")
    if type(error).__name__ == "ValidationError" and PYDANTIC.search(text):
        return "missing_variable", by_case(PYDANTIC.search(text).group("name"), recorder)
    return "", ""


def is_logging(error):
    """A log file is written, so its folder is what is missing."""
    return any("logging" in frame.filename for frame in traceback.extract_tb(error.__traceback__)[-6:])


def by_case(name, recorder):
    same = [known for known in recorder.unset() if known.lower() == name.lower()]
    return same[0] if same else name.upper()


def otherwise(error):
    text = message_of(error)
    name = type(error).__name__
    if REFUSED.search(text):
        return "service_refused", ""
    if name == "ImproperlyConfigured":
        empty = re.search(r"The (\w+) setting must not be empty", text)
        return ("empty_setting", empty.group(1)) if empty else ("improperly_configured", "")
    if isinstance(error, ImportError):
        library = re.search(r"(lib[\w.+-]+\.so[\w.]*)", text)
        return ("missing_library", library.group(1)) if library else ("import_error", error.name or "")
    if name in ("OperationalError", "ProgrammingError", "InterfaceError"):
        return "database", ""
    if isinstance(error, OSError):
        return "missing_file" if error.errno == errno.ENOENT else "os_error", str(error.filename or "")
    return "error", ""


def message_of(error):
    try:
        return str(error)
    except Exception:
        return ""


def one_line(error):
    lines = [line.strip() for line in message_of(error).splitlines() if line.strip()]
    return "%s: %s" % (type(error).__name__, " ".join(lines)[:400]) if lines else type(error).__name__


def syntax_line(error, root):
    """The line that does not parse has no frame: it never ran."""
    if not isinstance(error, SyntaxError) or not error.filename or not is_own(error.filename, root):
        return ""
    return "%s:%d" % (os.path.relpath(os.path.realpath(error.filename), root), error.lineno or 0)


def own_line(frames, root):
    """The innermost line of the project's own code."""
    for frame in reversed(frames):
        if is_own(frame.filename, root):
            return "%s:%d" % (os.path.relpath(os.path.realpath(frame.filename), root), frame.lineno or 0)
    return ""


def is_own(filename, root):
    path = os.path.realpath(filename)
    return not filename.startswith("<") and path.startswith(os.path.join(root, "")) and "site-packages" not in path


def short_traceback(error, frames, root):
    frames = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if is_own(frame.filename, root)]
    lines = [line_of(frame, root) for frame in (own or frames)[-4:]]
    return "\n".join([*lines, one_line(error)])


def line_of(frame, root):
    path = os.path.relpath(os.path.realpath(frame.filename), root) if is_own(frame.filename, root) else frame.filename
    return "%s:%s in %s: %s" % (path, frame.lineno, frame.name, (frame.line or "").strip()[:160])
