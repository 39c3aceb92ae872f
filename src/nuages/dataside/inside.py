"""Programs that run by the project's own Python, as its account: sent through the pipe, so that it can't change them.

They get `wish` and a function to say a line with; what they return comes back. Whatever the project prints goes elsewhere.
"""

import json
import os
import subprocess
import tempfile

from refusal import RefusedError, start, tail


HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "\x1e"
ACROSS = ["across_tables", "across_compare", "fence_mysql", "across_look", "across"]
FENCE = ["fence_mysql", "fence"]
BOOT = r"""
import json, os, sys, types
sent = json.loads(sys.stdin.buffer.readline())
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, os.getcwd())


def tell(**event):
    out.write("\x1e" + json.dumps(event) + "\n")
    out.flush()


for name, source in sent["modules"]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name + ".py", "exec"), module.__dict__)
try:
    from nuages_runtime.entry import set_up
except ImportError:
    from django import setup as set_up
set_up()
try:
    tell(answer=sys.modules[sent["modules"][-1][0]].main(sent["wish"], lambda line: tell(line=line)))
except Exception as error:
    if type(error).__name__ != "RefusedError":
        raise
    tell(refused=str(error))
"""


def ask(project, modules, wish, say):
    """Run the last of `modules`; `project` is the live release. Raises RefusedError with what it said."""
    sources = []
    for name in modules:
        with open(os.path.join(HERE, name + ".py"), encoding="utf-8") as file:
            sources.append([name, file.read()])
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as errors:
        child = start(
            [project.python, "-c", BOOT],
            project.account,
            project.environment(),
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            cwd=os.path.dirname(os.path.join(project.build, "source", project.manifest["manage"])),
        )
        try:
            child.stdin.write(json.dumps({"modules": sources, "wish": wish}).encode() + b"\n")
            child.stdin.close()
            answer = _hear(child, say)
        except BaseException:
            child.kill()
            raise
        status = child.wait()
        errors.seek(0)
        said = tail(errors.read()[-20000:])
    if "refused" in answer:
        raise RefusedError(answer["refused"])
    if status or "answer" not in answer:
        raise RefusedError("the live release's own code failed", said)
    return answer["answer"]


def _hear(child, say):
    answer = {}
    for raw in child.stdout:
        line = raw.decode("utf-8", "replace")
        if line.startswith(MARK):
            event = json.loads(line[1:])
            if "line" in event:
                say(event["line"])
            else:
                answer = event
    return answer
