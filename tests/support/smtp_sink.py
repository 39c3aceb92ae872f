"""A mail server that keeps what it gets: `smtp_sink.py PORT FOLDER [--refuse-login]`, each message a file. Stdlib only, for a lab host too."""

import pathlib
import socketserver
import sys


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 sink ESMTP")
        for raw in self.rfile:
            verb = raw.strip().upper()
            if verb.startswith(b"EHLO"):
                self.say("250-sink\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME")
            elif verb.startswith(b"AUTH"):
                self.say("535 5.7.8 who are you?" if self.server.refuses else "235 2.7.0 welcome")
            elif verb == b"DATA":
                self.say("354 go on")
                self.keep()
                self.say("250 2.0.0 kept")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.1.0 fine")

    def keep(self):
        lines = []
        for raw in self.rfile:
            if raw == b".\r\n":
                break
            lines.append(raw[1:] if raw.startswith(b"..") else raw)
        with self.server.lock:
            self.server.count += 1
            name = f"{self.server.count:05}.eml"
        (self.server.folder / name).write_bytes(b"".join(lines))


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True

    def __init__(self, port, folder, *, refuses=False):
        import threading

        super().__init__(("127.0.0.1", port), Session)
        self.folder, self.refuses, self.count, self.lock = pathlib.Path(folder), refuses, 0, threading.Lock()
        self.folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    Sink(int(sys.argv[1]), sys.argv[2], refuses="--refuse-login" in sys.argv).serve_forever()
