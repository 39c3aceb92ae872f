"""Files, links and folders on a server: what somebody else had there is kept aside, and comes back. See agent_ready.py."""

import base64
import contextlib
import grp
import hashlib
import json
import os
import pwd
import shutil
import urllib.parse

from agent import (
    WRITES,
    StepFailed,
    read_json,
    set_manners,
    write_file,
    write_remove,
    write_symlink,
)
from agent_ready import (
    KEPT,
    UNDO,
    _at,
    _entries,
    _ledger,
    _lying,
)


def write_directory(path, mode=0o755, owner="root", group="root", whose="", root="/"):
    place = _at(root, path)
    _make_parents(path, whose, root)
    if not os.path.isdir(place):
        os.mkdir(place, 0o700)
        with _ledger(root) as ledger:
            _entries(ledger, "directories")[path] = {"for": whose}
    set_manners(place, mode)
    _belongs(place, owner, group)


def _make_parents(path, whose, root):
    """Folders on the way, remembered so that leaving takes those that are empty then."""
    missing, folder = [], os.path.dirname(path)
    while folder not in ("", "/") and not os.path.isdir(_at(root, folder)):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if not missing:
        return
    with _ledger(root) as ledger:
        for folder in reversed(missing):
            os.mkdir(_at(root, folder), 0o755)
            os.chmod(_at(root, folder), 0o755)
            _entries(ledger, "directories").setdefault(folder, {"for": whose})


def _belongs(place, owner, group):
    if os.geteuid() != 0:
        return
    try:
        os.lchown(place, _number(owner, pwd.getpwnam, "pw_uid"), _number(group, grp.getgrnam, "gr_gid"))
    except KeyError as error:
        raise StepFailed("there is no account or group %s for %s" % (error, place)) from None


def _number(name, find, field):
    return int(name) if name.isdigit() else getattr(find(name), field)


def write_install(
    path,
    content,
    mode=0o644,
    owner="root",
    group="root",
    whose="",
    by="",
    once=False,
    expect=None,
    fresh=False,
    pending=(),
    root="/",
):
    """A file of ours. What somebody else had there is kept aside, and comes back when we leave.

    `expect`: the digest that the plan saw (None: nothing); another one now means that somebody was here since. `fresh`: a
    package that came with this plan may have put anything there. `pending`: units that must take the file in yet.
    """
    place = _at(root, path)
    lying = _lying(place)
    if once and lying:
        return
    found = (lying or {}).get("sha256") if (lying or {}).get("type") == "file" else (lying or {}).get("target")
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()
    if found not in (expect, digest) and not fresh:
        raise StepFailed("%s was changed while this was under way" % path, "", "run the same command again and look at the plan")
    with _ledger(root) as ledger:
        _remember_for_undo(path, ledger.get("files", {}).get(path), root)
        before = _entries(ledger, "files").get(path)
        if before and found not in (before["digest"], before["was"], None):
            _keep_changed(path, root)
        entry = before or {"kept": _keep(path, root) if lying else "", "before": _manners(lying)}
        new = {"digest": digest, "was": found, "mode": mode, "owner": owner, "group": group, "for": whose, "by": by, "once": once}
        ledger["files"][path] = {**entry, **new}
        for unit in pending:
            waiting = _entries(ledger, "pending")
            waiting[unit] = sorted({*waiting.get(unit, []), path})
    _make_parents(path, whose, root)
    if lying and lying["type"] == "directory":
        raise StepFailed("%s is a folder" % path, "", "move it away and run the same command again")
    _place_file(place, content.encode("utf-8"), mode, owner, group)


def _place_file(place, data, mode, owner, group):
    """As write_file, and it has its owner before it has its name."""
    partial = "%s.%d.partial" % (place, os.getpid())
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _belongs(partial, owner, group)
        os.chmod(partial, mode)
        os.replace(partial, place)
    except BaseException:
        os.unlink(partial)
        raise


def _manners(lying):
    return {k: lying[k] for k in ("mode", "owner", "group", "type")} if lying else None


def _keep(path, root):
    """Copy what lies at `path` aside; returns where."""
    kept = KEPT + path
    place, aside = _at(root, path), _at(root, kept)
    os.makedirs(os.path.dirname(aside), exist_ok=True)
    os.chmod(_at(root, KEPT), 0o700)
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(place, aside, symlinks=True)
    else:
        if os.path.lexists(aside):
            os.unlink(aside)
        _copy(place, aside)
    return kept


def _copy(path, to):
    """With mode, times and owner."""
    shutil.copy2(path, to, follow_symlinks=False)
    if os.geteuid() == 0:
        info = os.lstat(path)
        os.lchown(to, info.st_uid, info.st_gid)


def _undo_file(path, root):
    return _at(root, UNDO + "/" + urllib.parse.quote(path, safe=""))


def _remember_for_undo(path, entry, root):
    """How it was before this op, for `put_back`. Root's own: it may hold a secret."""
    place, record = _at(root, path), {"entry": entry, "lying": _lying(_at(root, path))}
    if record["lying"] and record["lying"]["type"] == "file":
        with open(place, "rb") as file:
            record["content"] = base64.b64encode(file.read()).decode("ascii")
    os.makedirs(_at(root, UNDO), mode=0o700, exist_ok=True)
    write_file(_undo_file(path, root), json.dumps(record), 0o600)


def write_put_back(path, root="/"):
    """Take the last op on `path` back, with its note in the ledger. Nothing where there was none."""
    record = read_json(_undo_file(path, root))
    if record is None:
        return
    _put(_at(root, path), record["lying"], base64.b64decode(record.get("content", "")))
    with _ledger(root) as ledger:
        for kind in ("files", "links"):
            if record["entry"] is None:
                ledger.get(kind, {}).pop(path, None)
        if record["entry"] is not None:
            _entries(ledger, "links" if "target" in record["entry"] else "files")[path] = record["entry"]
    os.unlink(_undo_file(path, root))


def _put(place, lying, content):
    if lying is None:
        if os.path.lexists(place):
            os.unlink(place)
    elif lying["type"] == "link":
        write_symlink(place, lying["target"])
    elif lying["type"] == "file":
        _place_file(place, content, lying["mode"], lying["owner"], lying["group"])


def write_manners(path, mode, owner, group, root="/"):
    """Mode and owner, where only they differ."""
    set_manners(_at(root, path), mode)
    _belongs(_at(root, path), owner, group)


def write_link(path, target, whose="", root="/"):
    place = _at(root, path)
    lying = _lying(place)
    if lying and lying["type"] == "directory":
        raise StepFailed("%s is a folder" % path, "", "move it away and run the same command again")
    with _ledger(root) as ledger:
        _remember_for_undo(path, ledger.get("links", {}).get(path), root)
        before = _entries(ledger, "links").get(path) or {"kept": _keep(path, root) if lying else "", "before": _manners(lying)}
        ledger["links"][path] = {**before, "target": target, "for": whose}
    _make_parents(path, whose, root)
    write_symlink(place, target)


def write_set_aside(path, whose="", root="/"):
    """What a package brings and what must not be: moved aside."""
    place = _at(root, path)
    if not os.path.lexists(place):
        return
    with _ledger(root) as ledger:
        kept = ledger.get("absent", {}).get(path) or {"kept": _keep(path, root)}
        _entries(ledger, "absent")[path] = {**kept, "for": whose}
    write_remove([place])


def write_bring_back(path, root="/"):
    """Where we leave: what lay at `path` before us lies there again, or nothing. What somebody changed since is kept aside."""
    with _ledger(root) as ledger:
        entry = next((found for k in ("files", "links", "absent") if (found := ledger.get(k, {}).pop(path, None))), None)
    if entry is None:
        return
    place, kept = _at(root, path), entry.get("kept")
    lying = _lying(place)
    if lying and lying["type"] == "file" and "digest" in entry and lying["sha256"] not in (entry["digest"], entry["was"]):
        if not entry.get("once"):
            _keep_changed(path, root)
    if lying and lying["type"] != "directory":
        os.unlink(place)
    if kept and os.path.lexists(_at(root, kept)):
        _return(_at(root, kept), place)


def _return(aside, place):
    os.makedirs(os.path.dirname(place), exist_ok=True)
    info = os.lstat(aside)
    shutil.move(aside, place)
    if os.geteuid() == 0:
        os.lchown(place, info.st_uid, info.st_gid)  # over file systems, move loses it


def _keep_changed(path, root):
    """A file that a person changed by hand outlives us: /root is where an administrator looks."""
    to = _at(root, "/root/nuages-changed-by-hand" + path)
    os.makedirs(os.path.dirname(to), mode=0o700, exist_ok=True)
    shutil.copy2(_at(root, path), to)


def write_forget_directories(whose, root="/"):
    """Folders that we made, where they are empty."""
    with _ledger(root) as ledger:
        ours = [path for path, entry in ledger.get("directories", {}).items() if entry["for"] in whose]
        for path in sorted(ours, key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(_at(root, path))
            if not os.path.isdir(_at(root, path)):
                del ledger["directories"][path]


WRITES.update(
    {
        "directory": write_directory,
        "install": write_install,
        "put_back": write_put_back,
        "manners": write_manners,
        "link": write_link,
        "set_aside": write_set_aside,
        "bring_back": write_bring_back,
        "forget_directories": write_forget_directories,
    }
)
