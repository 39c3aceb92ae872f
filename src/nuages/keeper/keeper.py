"""The half that does almost nothing, so that it hardly ever has to change: hold the sockets, respawn the other half.

Usage: keeper.py SITE CHANNEL_FD SOCKET_FD,SOCKET_FD...   (CHANNEL_FD 0: no supervisor yet)
"""

import os
import select
import signal
import socket
import sys
import time


sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import sockets
import spawn
import state
from control import inherited


HOME = os.path.dirname(os.path.realpath(__file__))


class Keeper:
    def __init__(self, site, channel, listeners):
        self.site = site
        self.channel = channel
        self.listeners = listeners
        self.home = HOME
        self.supervisor = None
        self.failures = -1  # the first start is no respawn
        self.born = time.monotonic()

    def run(self):
        while True:
            readable, _w, _x = select.select([self.channel], [], [], 1.0)
            state.reap_children()
            if not readable:
                continue
            received = sockets.receive(self.channel)
            if received is None:
                self.respawn_supervisor()
                continue
            messages, fds = received
            for message in messages:
                self.obey(message, fds)

    def obey(self, message, fds):
        if "pid" in message:
            self.supervisor = message["pid"]
            self.born = time.monotonic()
        if "sockets" in message:
            for listener in self.listeners:
                listener.close()
            self.listeners = [socket.socket(fileno=fd) for fd in fds]
        if "exec" in message:
            spawn.replace_self(message["exec"], "keeper", self.site, self.channel, self.listeners)
        if "end" in message:
            sys.exit(0)

    def respawn_supervisor(self):
        self.channel.close()
        self.failures = 0 if time.monotonic() - self.born > 10 else self.failures + 1
        if self.failures > 1:
            time.sleep(min(0.1 * 2 ** min(self.failures, 6), 5))
        self.born = time.monotonic()
        self.supervisor, self.channel = spawn.spawn_half(self.home, "supervisor", self.site, self.listeners)

    def end_site(self, *_args):
        if self.supervisor:
            os.kill(self.supervisor, signal.SIGTERM)  # it says "end" when all is down


def main():
    site, channel, fds = sys.argv[1:4]
    sockets.adopt_orphans()
    keeper = Keeper(site, next(inherited(channel)), list(inherited(fds)))
    signal.signal(signal.SIGTERM, keeper.end_site)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    me = {"pid": os.getpid(), "token": state.start_token(os.getpid()), "home": HOME}
    state.write_json(os.path.join(site, "run", "keeper.json"), me)
    keeper.run()


if __name__ == "__main__":
    main()
