#!/usr/bin/python3 -ISB
"""gate.py KEY: what a deploy key of one site reaches, and all that it reaches. Started by sshd's forced command through one line of
sudoers, as root; the site is that of the folder this lies in, whatever the client says.

It speaks as the agent does and uses the agent that was installed beside it, never code that a client sends. A request is
judged whole before any of it is carried out. Stdlib only, Python 3.9+.
"""

import contextlib
import hashlib
import json
import marshal
import os
import signal
import sys
import zlib


HERE = os.path.dirname(os.path.realpath(__file__))
PARTS = ("beneath.py", "contents.py", "lists.py", "environment.py", "running.py", "writing.py", "reading.py", "walls.py")
AGENT = ("agent.py", "agent_lock.py", "agent_server.py", "agent_ready.py", "agent_certs.py")
KEPT = "/run/nuages"  # compiled, until the next reboot
LONGEST = 32 << 20  # bytes of a request as it comes
LARGEST = 64 << 20  # and unpacked
SOON = 60  # seconds in which it must have come
NO_SHELL = "this key deploys the site %s, by `nuages deploy`; it has no shell and copies no files\n"


def main(key):
    with open(os.path.join(HERE, "gate.json"), encoding="utf-8") as file:
        told = json.load(file)
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if not (asked == "nuages-gate" or (asked.startswith("exec ") and "b=sys.stdin.buffer" in asked)):
        sys.stderr.write(NO_SHELL % told["site"])
        return 1
    sys.stdout.write("\x1egate %s %s\n" % (told["site"], told["version"]))
    sys.stdout.flush()
    agent = load()
    agent.arrive(os.environ.get("SSH_CONNECTION", ""), "deploy key " + key)
    for name in ("SIGHUP", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    import reading
    import walls
    from beneath import Site

    walls.raise_round(told)
    attend(agent, reading, Site(told, key))
    return 0


def attend(agent, reading, site):
    try:
        request = receive(agent)
        answer = reading.answer(site, request)
    except agent.StepFailed as error:
        person = bool(getattr(error, "person", False))
        agent.say("failed", step=0, text="", what=error.what, detail=error.detail, hint=error.hint, undone=[], person=person)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError, zlib.error) as error:
        what = "the gate does not understand this request"
        agent.say("failed", step=0, text="", what=what, detail=type(error).__name__, hint="", undone=[])
    else:
        if answer is not None:
            agent.say("answer", answer=answer)


def receive(agent):
    """The one line that is a request; what a client sends before it, since it does not know yet that this is a gate, is passed over."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SOON)
    stream = sys.stdin.buffer
    line = stream.readline(LONGEST)
    if line[:1] == b"\x1e":
        rest = min(int(line[1:]), LONGEST)
        while rest:
            rest -= len(stream.read(min(rest, 1 << 16)) or b" " * rest)
        line = stream.readline(LONGEST)
    signal.alarm(0)
    if not line.endswith(b"\n"):
        raise agent.StepFailed("this request is too long, or was cut off")
    if line[:1] == b"z":
        import base64

        unpack = zlib.decompressobj()
        line = unpack.decompress(base64.b64decode(line[1:]), LARGEST)
        if not unpack.eof:
            raise agent.StepFailed("this request is too long, or was cut off")
    request = json.loads(line)
    if not isinstance(request, dict):
        raise ValueError  # noqa: TRY004 - as what is no JSON
    return request


# --- the programs beside this one -----------------------------------------------------------------------------


def load():
    """The agent's modules and ours, in this process; compiling them is the longest part of starting, and is done once."""
    texts = {}
    for name in AGENT + PARTS:
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            texts[name] = file.read()
    sources = compiled(texts)
    sys.modules["agent"] = agent = type(sys)("agent")
    vars(agent).update(SOURCES={name: sources[name] for name in AGENT}, __name__="agent")
    exec(marshal.loads(sources["agent.py"]), vars(agent))  # noqa: S102, S302 - of a file that root alone may write
    agent.known(agent.READS, "receive")  # loads agent_server, of which ours import
    for name in PARTS:
        module = sys.modules[name[:-3]] = type(sys)(name[:-3])
        vars(module).update(__name__=name[:-3], __file__=os.path.join(HERE, name))
        exec(marshal.loads(sources[name]), vars(module))  # noqa: S102, S302
    return agent


def compiled(texts):
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
    begin = "gate-%s-" % os.path.basename(HERE)
    kept = os.path.join(KEPT, begin + digest + "-" + sys.implementation.cache_tag)
    with contextlib.suppress(OSError, ValueError, EOFError, TypeError), open(kept, "rb") as file:
        return marshal.load(file)  # noqa: S302
    sources = {name: marshal.dumps(compile(text, name, "exec")) for name, text in texts.items()}
    with contextlib.suppress(OSError):
        os.makedirs(KEPT, mode=0o700, exist_ok=True)
        for name in os.listdir(KEPT):
            if name.startswith(begin):
                os.unlink(os.path.join(KEPT, name))
        with open("%s.%d" % (kept, os.getpid()), "wb") as file:
            marshal.dump(sources, file)
        os.rename(file.name, kept)
    return sources


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(status)
