"""Hosts fetch packages as this machine does."""

from __future__ import annotations

import pytest

from nuages.lab import outer
from nuages.lab.outer import Mirrors


DEB822 = """\
Types: deb
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([DEB822], Mirrors("https://mirror.example/debian", "https://mirror.example/debian-security")),
        (
            ["deb [signed-by=/k] http://a.example/debian bookworm main\ndeb http://a.example/sec bookworm-security main"],
            Mirrors("http://a.example/debian", "http://a.example/sec"),
        ),
        (["deb http://archive.ubuntu.example/ubuntu noble main"], Mirrors()),
        (["# deb http://a.example/debian bookworm main", "Types: deb-src\nURIs: http://b.example/\nSuites: trixie"], Mirrors()),
        ([DEB822.replace("Types", "Enabled: no\nTypes")], Mirrors()),
        (["deb file:/srv/mirror trixie main"], Mirrors()),
        ([], Mirrors()),
    ],
)
def test_debian_comes_from_this_machines_own_mirror_or_the_public_one(sources, expected):
    assert outer.mirrors(sources) == expected


def test_the_sources_of_a_host_have_updates_and_security(golden):
    golden("lab/debian.sources", outer.apt_sources("trixie", Mirrors()))


def test_apts_proxies_and_checks_are_taken_over_and_nothing_else():
    dump = (
        'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3128";\nAcquire::Retries "3";\nAcquire::Languages:: "none";\n'
        'Acquire::cdrom::mount "/media";\nAcquire::AllowInsecureRepositories "1";\nAcquire::http "";\nDPkg::Post-Invoke:: "rm x";\n'
    )
    assert outer.apt_settings(dump) == (
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Retries "3";\nAcquire::Languages:: "none";\n'
    )


def test_pips_index_is_taken_over_but_no_folder_of_this_machine():
    file = "[global]\nindex-url = https://pypi.example/simple\nfind-links = /srv/wheels\nextra-index-url = file:///srv/index https://b.example/simple\n"
    told = outer.pip_settings([file], {"PIP_TRUSTED_HOST": "pypi.example", "PIP_CERT": "/home/me/ca.pem"})
    assert told == (
        "[global]\nindex-url = https://pypi.example/simple\nextra-index-url = https://b.example/simple\ntrusted-host = pypi.example\n"
    )


def test_proxies_and_the_bundle_of_certificates_are_in_the_environment():
    environ = {"https_proxy": "http://p.example", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", "HOME": "/root"}
    assert outer.environment(environ) == "https_proxy=http://p.example\nSSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\n"
    assert outer.environment({"SSL_CERT_FILE": "/home/me/ca.pem"}) == ""


def test_a_name_server_on_this_machines_loopback_is_left_out():
    assert (
        outer.resolvers("nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch example\n")
        == "nameserver 192.0.2.53\nsearch example\n"
    )
