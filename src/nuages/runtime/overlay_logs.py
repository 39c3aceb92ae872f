"""LOGGING: ours is added, theirs stays."""

from __future__ import annotations


HANDLER = "nuages"
OURS = {"class": "nuages_runtime.logs.StandardHandler", "formatter": HANDLER}
ERRORS = "nuages.errors"


def logging(view):
    old = view.get("LOGGING")
    if view.get("LOGGING_CONFIG") is None or (old and not isinstance(old, dict)):
        return
    old = old or {}
    new = {"version": 1, **old}
    if not old:
        new["disable_existing_loggers"] = False
    style = view.policy.get("log_format") or "text"
    new["formatters"] = {
        **(old.get("formatters") or {}),
        HANDLER: {"()": "nuages_runtime.logs.%sFormatter" % style.capitalize()},
    }
    new["handlers"] = {**(old.get("handlers") or {}), HANDLER: dict(OURS)}
    loggers = {name: _with_ours(logger) if _ends_here(logger) else logger for name, logger in (old.get("loggers") or {}).items()}
    if "" in loggers:
        loggers[""] = _with_ours(loggers[""])
    else:
        new["root"] = _with_ours(old.get("root") or {"level": "INFO"})
    loggers[ERRORS] = {"handlers": [HANDLER], "level": "ERROR", "propagate": False}
    new["loggers"] = loggers
    yield (
        "LOGGING",
        new,
        "%s lines on standard output, beside the project's own" % ("JSON" if style == "json" else "readable"),
    )


def _ends_here(logger):
    """What does not reach the root has to be given our handler itself."""
    return isinstance(logger, dict) and logger.get("propagate") is False and bool(logger.get("handlers"))


def _with_ours(logger):
    handlers = list(logger.get("handlers") or [])
    return {**logger, "handlers": [*handlers, HANDLER] if HANDLER not in handlers else handlers}


RULES = (logging,)
