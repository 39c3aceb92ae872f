"""A systemctl for tests: units are lines of a JSON file, and every command that changes something is written down.

    with FakeSystemctl(tmp_path, monkeypatch) as systemd: ... systemd.units, systemd.said

A unit named in `stubborn` does not end when it is stopped.
"""

import json
import sys
import textwrap


PROGRAM = """\
#!{python} -IS
import json, sys
path = {path!r}
words = [w for w in sys.argv[1:] if not w.startswith("--") or w.startswith("--property")]
kept = json.load(open(path))
verb, names = words[0], [w for w in words[1:] if not w.startswith("--")]
if verb == "show":
    for name in names:
        known = kept["units"].get(name)
        state = known or "inactive"
        template = name.split("@")[0]
        lines = {{"Id": name, "ActiveState": state.split("/")[0], "SubState": state.partition("/")[2] or state, "MainPID": "0",
                 "LoadState": "not-found" if template in kept["missing"] else "loaded", **kept["more"].get(name, {{}})}}
        print("\\n".join("%s=%s" % pair for pair in lines.items()) + "\\n")
    sys.exit(0)
kept["said"].append(" ".join([verb, *names]))
for name in names:
    if verb in ("start", "restart"):
        kept["units"][name] = "active"
    elif verb == "stop" and name in kept["units"]:
        kept["units"][name] = "deactivating" if name in kept["stubborn"] else "inactive"
json.dump(kept, open(path, "w"))
"""


class FakeSystemctl:
    def __init__(self, folder, monkeypatch):
        self.path = folder / "systemd.json"
        self._write({"units": {}, "said": [], "stubborn": [], "missing": [], "more": {}})
        program = folder / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(textwrap.dedent(PROGRAM).format(python=sys.executable, path=str(self.path)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")

    def _read(self):
        return json.loads(self.path.read_text())

    def _write(self, kept):
        self.path.write_text(json.dumps(kept))

    @property
    def said(self):
        return self._read()["said"]

    @property
    def running(self):
        return sorted(name for name, state in self._read()["units"].items() if state in ("active", "deactivating"))

    def set(self, **values):
        self._write({**self._read(), **values})
