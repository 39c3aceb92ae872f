"""What Granian loads in each of its workers: the callable, once it has answered for itself.

Granian says that it listens before its workers have loaded anything. Here a worker first asks its own callable, and
tells the supervisor how that went; it accepts meanwhile on a socket that no proxy looks at yet.
"""

from __future__ import annotations

import signal

from nuages_runtime import proof, watch


# Until Granian sets its own, a worker has its parent's handler, which only notes the signal: asked to end while it
# loads, it would not.
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, signal.SIG_DFL)

watch.begin()  # before the project is loaded: a slow import is no hang

if proof.read_policy().get("interface") == "asgi":
    from nuages_runtime.asgi import application
else:
    from nuages_runtime.wsgi import application

proof.prove_callable(application)

__all__ = ["application"]
