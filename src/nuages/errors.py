"""Everything that can go wrong, as a tree.

NuagesError
├── UsageError            the command line asks for something that is not there
├── TopologyError         nuages.toml says something we can't read (where = key path)
├── ProjectError          the Django project can't be understood or does not import
│   └── MissingError      variables, files or services that the project needs; lists them all
├── PythonMissingError    no interpreter that fits the project is on the machine
├── EnvironmentBuildError requirements that don't resolve or install
├── SettingsError         production settings are not in force; the release is refused
├── CheckError            an audit finding of severity error stops the deploy
├── PipelineError         the project's tests, a hook or a question to the live site failed
├── MigrationError        a pending migration is unsafe, conflicting or failed
├── DataError             a database can't be dumped, restored or moved; the live one is as it was
├── ReleaseError          a release can't be built, found or proved; the old one still serves
├── StateError            the site's state on the host is another schema, root or owner
├── LockHeldError         somebody else is deploying
├── PersonNeededError     a deploy key may not do it; a person with root has to
├── MailError             no mail leaves the site; says where it ends
├── InterruptedDeployError a step failed half-way; says what was undone
├── UnconfirmedError      the new release got the traffic and does not answer as it should; says what serves now
└── HostError             a host can't be reached or a command there failed
    ├── CommandError      exit status, with the end of its output
    └── CommandTimeoutError
"""

from __future__ import annotations


class NuagesError(Exception):
    """One line that says what happened; `where` names the file, key or host; `hint` says what to do."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "", detail: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class UsageError(NuagesError):
    """The command line asks for something that is not there."""


class TopologyError(NuagesError):
    """nuages.toml is not valid; `where` is the path of the key."""


class ProjectError(NuagesError):
    """The Django project can't be understood, or does not import."""


class MissingError(ProjectError):
    """The project needs things that nobody has given: all of them are listed at once in `detail`, and as
    values of `project.model.Missing` in `missing`."""

    missing: tuple[object, ...] = ()


class PythonMissingError(NuagesError):
    """No interpreter that fits the project is on this machine."""


class EnvironmentBuildError(NuagesError):
    """The requirements don't resolve, or a package does not install."""


class SettingsError(NuagesError):
    """Read back after django.setup(), the production settings are not in force."""


class CheckError(NuagesError):
    """An audit finding of severity error stops the deploy."""


class PipelineError(NuagesError):
    """The project's tests, a hook of the user's or a question to the live site failed."""


class MigrationError(NuagesError):
    """A pending migration is unsafe, conflicting, or failed."""


class DataError(NuagesError):
    """A database or a backup can't be dumped, restored or moved; the live database is as it was."""


class ReleaseError(NuagesError):
    """A release can't be built, found, or proved; what was live still serves."""


class StateError(NuagesError):
    """What the host holds for this site is of another schema, another root or another owner."""


class LockHeldError(NuagesError):
    """Somebody else is deploying this site."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: the same command does later


class PersonNeededError(NuagesError):
    """A deploy key may deploy its one site and change nothing of the server; this asks for more."""

    exit_code = 77  # EX_NOPERM of sysexits.h


class MailError(NuagesError):
    """A message could not be sent by the site's own mail setup."""


class InterruptedDeployError(NuagesError):
    """A step failed; the message says what was undone and what serves now."""


class UnconfirmedError(NuagesError):
    """The new release got the traffic, and does not answer [pipeline] smoke_live as it should."""


class HostError(NuagesError):
    """A host can't be reached."""


class CommandError(HostError):
    """A command on a host ended with a failure."""


class CommandTimeoutError(HostError):
    """A command on a host took longer than its limit."""
