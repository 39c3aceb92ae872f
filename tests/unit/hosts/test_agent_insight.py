"""A host at a glance, and the last minutes of its log of requests."""

import datetime as dt
import json
import time

from agent_module import agent, beside


insight = beside("agent_insight")
NGINX = '192.0.2.1 [{at}] "GET /{path} HTTP/1.1" {status} 5 "-" "Mozilla \\x22x\\x22" shop.example {seconds} 0.009, 0.1 abc'


def stamp(ago):
    return dt.datetime.fromtimestamp(time.time() - ago, dt.UTC).isoformat(timespec="seconds")


def line(ago=0, status=200, seconds="0.010", path=""):
    return NGINX.format(at=stamp(ago), status=status, seconds=seconds, path=path) + "\n"


def read(path, **how):
    return insight.read_traffic(str(path), **{"seconds": 900, "style": "nginx", **how})


def totals(told):
    rows = told["minutes"].values()
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def test_requests_of_the_last_minutes_are_counted_and_older_ones_are_not(tmp_path):
    log = tmp_path / "access.log"
    log.write_text(line(2000) * 5 + line(100) * 3 + line(1, status=502) * 2)
    told = read(log)
    assert totals(told) == (5, 2)
    assert not told["partial"]
    assert 899 <= told["now"] - told["since"] <= 901


def test_a_log_that_was_just_turned_over_goes_on_in_the_older_file(tmp_path):
    (tmp_path / "access.log.1").write_text(line(2000) + line(500) * 4)
    (tmp_path / "access.log").write_text(line(10))
    assert totals(read(tmp_path / "access.log")) == (5, 0)


def test_a_younger_log_tells_of_less(tmp_path):
    (tmp_path / "access.log").write_text(line(120) + line(60))
    told = read(tmp_path / "access.log")
    assert 115 <= told["now"] - told["since"] <= 125


def test_no_log_is_no_requests(tmp_path):
    told = read(tmp_path / "access.log")
    assert (told["minutes"], told["partial"]) == ({}, False)


def test_a_huge_log_is_read_from_its_end_and_no_further_than_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(insight, "BLOCK", 1000)
    monkeypatch.setattr(insight, "MOST", 50_000)
    log = tmp_path / "access.log"
    log.write_text(line(5) * 5000)
    told = read(log)
    assert told["partial"]
    assert 300 < totals(told)[0] < 50_000 / len(line(5)) + 2


def test_no_line_is_lost_or_counted_twice_where_blocks_meet(tmp_path, monkeypatch):
    monkeypatch.setattr(insight, "BLOCK", 137)
    log = tmp_path / "access.log"
    log.write_text("".join(line(5, path="x" * (n % 50)) for n in range(200)))
    assert totals(read(log)) == (200, 0)


def test_lines_of_strangers_making_are_left_out(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b'nonsense\n\xff\xfe\x00\n"""""""\n{"time": 5}\n{"time"\n' + line(1).encode() + b"half a li")
    assert totals(read(log)) == (1, 0)


def test_json_lines_of_nginx_and_gunicorn_and_plain_ones_of_gunicorn(tmp_path):
    now = stamp(3)[:19]
    rows = [
        {"time": stamp(3), "status": 200, "seconds": 0.25, "uri": "/"},
        {"time": now + ".120Z", "method": "GET", "path": "/", "status": 500, "ms": 12.5, "bytes": 1, "event": "request"},
    ]
    log = tmp_path / "web.log"
    log.write_text(
        "\n".join(map(json.dumps, rows)) + f"\n{now}.120Z GET /a b 200 12.3ms 34b abc\n{now}.1Z WARNING django: no request\n"
    )
    assert totals(read(log, style="gunicorn")) == (3, 1)


def test_times_are_kept_to_within_five_per_cent(tmp_path):
    from nuages.insight import traffic

    log = tmp_path / "access.log"
    log.write_text(line(1, seconds="0.100") * 90 + line(1, seconds="2.000") * 10)
    told = traffic.added([json.loads(json.dumps(read(log)))] * 2)
    assert told.requests == 200
    assert abs(told.p50 - 0.1) < 0.006
    assert abs(told.p95 - 2) < 0.11


def test_vitals_of_this_machine(tmp_path):
    told = insight.read_vitals(str(tmp_path / "not" / "there" / "yet"))
    assert told["memory"] > told["memory_free"] > 0
    assert told["disk"] > 0
    assert 0 <= told["inodes_free"] <= 1
    assert told["uptime"] > 0
    assert told["updates"] is None


def test_a_socket_is_asked_as_the_proxy_would(tmp_path):
    import socketserver
    import threading

    heard = []

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            while (row := self.rfile.readline().strip()) != b"":
                heard.append(row)
            self.wfile.write(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    (tmp_path / "link.sock").symlink_to(tmp_path / "web.sock")
    path = str(tmp_path / "link.sock")
    assert insight.read_ask("shop.example", socket=str(tmp_path / "none"))["problem"] == "no link"
    assert insight.read_ask("shop.example", socket=path)["problem"] == "no socket"
    with socketserver.UnixStreamServer(str(tmp_path / "web.sock"), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        told = insight.read_ask("shop.example", "/x", socket=path, secure=True)
    assert (told["status"], told["location"], told["target"]) == (301, "/x", str(tmp_path / "web.sock"))
    assert b"Host: shop.example" in heard
    assert b"X-Forwarded-Proto: https" in heard
    assert "refused" in insight.read_ask("shop.example", socket=path)["problem"].lower()


def test_the_agent_finds_them_by_their_kind():
    assert agent.known(agent.READS, "vitals")
