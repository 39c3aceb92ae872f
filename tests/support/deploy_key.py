"""Somebody who has a site's deploy key, and nothing else: as CI uses it, and as a thief would.

held = DeployKey(shop, tmp_path, "ci")      # nuages access add-deploy-key
held.nuages("deploy")                       # the real command, from an empty machine
held.says({"read": {...}})                  # a request by hand, in the agent's own tongue
held.ssh("bash", "-c", "id")                # whatever ssh does
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any


LOGIN = "shop_deploy"


class DeployKey:
    def __init__(self, shop: Any, folder: Path, name: str = "ci") -> None:
        self.shop, self.host, self.name, self.key = shop, shop.host, name, folder / f"{name}-key"
        self.cache = folder / f"{name}-cache"
        self.sockets = tempfile.mkdtemp(prefix="gate-")  # a socket's path is short
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True)
        shop.nuages("access", "add-deploy-key", name, f"{self.key}.pub")

    def environment(self) -> dict[str, str]:
        return {"NUAGES_DEPLOY_KEY": str(self.key), "XDG_CACHE_HOME": str(self.cache)}

    def nuages(self, *words: object, **options: Any) -> Any:
        return self.shop.nuages(*words, **options, **self.environment())

    def ssh_words(self, *options: str, program: str = "ssh") -> list[str]:
        words = [
            program,
            "-F",
            str(self.host.ssh_config),
            "-i",
            str(self.key),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
        ]
        return [*words, "-o", "BatchMode=yes", "-o", f"User={LOGIN}", "-o", f"IdentityFile={self.key}", *options]

    def ssh(self, *command: str, options: tuple[str, ...] = (), said: bytes = b"", timeout: float = 60) -> Any:
        words = [*self.ssh_words("-o", "ControlPath=none", *options), self.host.name, *command]
        return subprocess.run(words, input=said, capture_output=True, check=False, timeout=timeout)

    def raw(self, said: bytes) -> list[dict[str, Any]]:
        """What the gate says to it, over one connection for all such requests."""
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={self.sockets}/s", "-o", "ControlPersist=30")
        words = [*self.ssh_words(*shared), self.host.name, "nuages-gate"]
        done = subprocess.run(words, input=said, stdout=subprocess.PIPE, check=False, timeout=120)
        return [json.loads(line[1:]) for line in done.stdout.decode().split("\n") if line.startswith("\x1e{")]

    def says(self, request: object) -> dict[str, Any]:
        """The last event."""
        events = self.raw(json.dumps(request).encode() + b"\n")
        return events[-1] if events else {}

    def asks(self, kind: str, **told: object) -> dict[str, Any]:
        return self.says({"read": {"it": {"kind": kind, **told}}})

    def writes(self, *ops: object, undo: tuple[object, ...] = (), deploy: str = "") -> dict[str, Any]:
        step = {"text": "+ shop  by hand", "deploy": deploy, "ops": list(ops), "undo": list(undo)}
        return self.says({"write": [step], "journal": "/srv/shop/journal.jsonl"})

    def sends(self, *contents: bytes) -> list[str]:
        """Pieces into the store; their digests."""
        frames = [b"%s %d 0\n" % (hashlib.sha256(each).hexdigest().encode(), len(each)) + each for each in contents]
        request = json.dumps({"read": {"it": {"kind": "receive", "store": "/srv/shop/store"}}}).encode() + b"\n"
        told = self.raw(request + b"".join(frames) + b"end\n")
        assert told[-1]["event"] == "answer", told
        return [hashlib.sha256(each).hexdigest() for each in contents]

    def locks(self) -> str:
        """The site's lock, as this key's."""
        token = "ab12"
        owner = {"user": "ada", "host": "laptop", "pid": 1, "what": "deploy", "reason": "", "remote": True, "counted_in": ""}
        told = self.asks("lock", path="/srv/shop/lock.json", token=token, owner=owner, seconds=10**6)
        assert told["answer"]["it"].get("taken"), told
        return token

    def unlocks(self, token: str) -> None:
        self.asks("unlock", path="/srv/shop/lock.json", token=token)

    def leave(self) -> None:
        self.shop.nuages("access", "remove", self.name)
        shutil.rmtree(self.sockets, ignore_errors=True)


def forged(code: str) -> bytes:
    """The agent's part as a client sends it, with other code in it."""
    import zlib

    packed = zlib.compress(code.encode())
    return b"\x1e%d\n" % len(packed) + packed


def packed(text: bytes) -> bytes:
    import zlib

    return b"z" + base64.b64encode(zlib.compress(text, 9)) + b"\n"
