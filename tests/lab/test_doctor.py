"""A site is broken link by link, and doctor names each. What a blocked mail port, a huge log and a new error look like."""

from __future__ import annotations

import pytest
from deployed import eventually
from insight_lab import clear, first_broken, listed, mail_sink, start_sink, walked


LINKS = {
    "proxy": ("systemctl stop nginx", "systemctl start nginx"),
    "proxy configuration": ("echo 'nonsense;' > /etc/nginx/conf.d/zz.conf", "rm /etc/nginx/conf.d/zz.conf"),
    "firewall": ("nft flush chain inet nuages sites", "nft -f /etc/nuages/firewall.nft || systemctl restart nuages-firewall"),
    "database": ("systemctl stop postgresql", "systemctl start postgresql"),
    "cache": ("systemctl stop shop-cache", "systemctl start shop-cache"),
    "socket": ("mv {run}/web.sock {run}/kept; ln -s /run/nowhere.sock {run}/web.sock", "mv -T {run}/kept {run}/web.sock"),
    "processes": ("systemctl stop 'shop-web@*'", "systemctl start nuages-site-shop"),
    "release": ("touch /srv/shop/shared/maintenance", "rm /srv/shop/shared/maintenance"),
    "room": ("fallocate -l $(($(stat -f -c '%a*%S' {run}) - 1000000)) {run}/ballast", "rm -f {run}/ballast"),
}


@pytest.mark.parametrize("link", LINKS)
def test_the_first_broken_link_is_named(shop, link):
    breaks, mends = (text.replace("{run}", "/srv/shop/run") for text in LINKS[link])
    shop.host.must(breaks)
    try:
        told = walked(shop)["broken"]
        assert told, link
        assert told["name"] == link.split()[0], told
        assert told["todo"], told
    finally:
        shop.host.must(mends)
    eventually(lambda: not first_broken(shop))


def test_a_certificate_that_has_ended_is_named(shop):
    folder = "/etc/nuages/certs/shop"
    shop.host.must(
        f"cd {folder}; readlink fullchain.pem > /root/was; readlink privkey.pem >> /root/was; cd /root; "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.pem -subj /CN=shop.example "
        "-addext subjectAltName=DNS:shop.example -not_before 20250101000000Z -not_after 20250201000000Z 2>/dev/null; "
        f"ln -sfn /root/old.pem {folder}/fullchain.pem; ln -sfn /root/old.key {folder}/privkey.pem"
    )
    try:
        told = walked(shop)["broken"]
        assert told, "no broken link"
        assert (told["name"], "ended" in told["what"]) == ("certificate", True), told
    finally:
        shop.host.must(
            f"cd {folder}; ln -sfn $(sed -n 1p /root/was) fullchain.pem; ln -sfn $(sed -n 2p /root/was) privkey.pem; systemctl reload nginx"
        )
    eventually(lambda: not first_broken(shop))


def test_a_name_that_leads_elsewhere_is_named(shop):
    told = walked(shop, "--resolve", "shop.example=192.0.2.9")["broken"]
    assert (told["name"], shop.host.address in told["todo"]) == ("dns", True)


def test_a_host_that_is_off_is_told_beside_what_is_known(shop):
    """And a stopped site has its own exit code."""
    shop.nuages("down")
    try:
        done = shop.nuages("status", check=False)
        assert done.returncode == 3
        assert "nothing is running" in done.stdout
    finally:
        shop.nuages("start")
    assert shop.nuages("status", check=False).returncode in (0, 2)


def test_a_log_of_a_gigabyte_is_not_read_whole(shop):
    line = '192.0.2.1 [%s] "GET / HTTP/1.1" 200 5 "-" "-" shop.example 0.010 0.009 abc\n'
    log = "/var/log/nginx/shop.access.log"
    shop.host.must(f"cp {log} /root/log; date -Is > /root/now; python3 - <<'EOF'\nline = {line!r} % open('/root/now').read().strip()\n"
                   f"block = line.encode() * 12000\nwith open({log!r}, 'ab') as file:\n [file.write(block) for _ in range(300)]\nEOF")  # fmt: skip
    try:
        told = shop.status()
        assert told["traffic"]["partial"], told["traffic"]
        assert 100_000 < told["traffic"]["requests"] < 400_000, told["traffic"]["requests"]
    finally:
        shop.host.must(f"cat /root/log > {log}; rm /root/log")


@pytest.fixture(scope="module")
def mailing(shared_shop):
    with mail_sink(shared_shop):
        yield shared_shop


def test_a_host_that_blocks_mail_is_told_from_one_where_nothing_listens(mailing):
    mailing.host.must("nft add table inet test; nft add chain inet test out '{ type filter hook output priority 0; }'; "
                      "nft add rule inet test out tcp dport '{ 25, 465, 587, 2525 }' drop")  # fmt: skip
    try:
        blocked = mailing.refused("mail", "test", timeout=120)
    finally:
        mailing.host.must("nft delete table inet test")
    assert "blocks outgoing mail" in blocked
    mailing.host.must("systemctl stop sink")
    try:
        assert "connection is refused" in mailing.refused("mail", "test")
    finally:
        start_sink(mailing)


def test_the_release_that_brought_a_new_error_is_named(mailing):
    clear(mailing)
    mailing.get("/fail")
    eventually(lambda: listed(mailing))
    before = mailing.status()["release"]
    views = (mailing.root / "books" / "views.py").read_text()
    (mailing.root / "books" / "views.py").write_text(views + "\n\ndef fail(request):\n    return {}['nothing is there']\n")
    try:
        number = mailing.release()
        mailing.get("/fail")
        found = eventually(lambda: (g := listed(mailing)) and len(g) == 2 and g)
        assert {group["type"]: group["release"] for group in found} == {"RuntimeError": before, "KeyError": number}
        assert f"1 of these came with v{number}" in mailing.nuages("errors").stdout
        assert mailing.status()["errors"]["new"] == 1
        mailing.nuages("errors", "resolve", *(group["id"] for group in found))
        assert "no errors" in mailing.nuages("errors").stdout
    finally:
        (mailing.root / "books" / "views.py").write_text(views)
        mailing.release()
