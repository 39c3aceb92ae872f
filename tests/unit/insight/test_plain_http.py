"""A site without a domain is served over http: nobody misses https there."""

from pathlib import Path

import pytest

from nuages.insight.examine import asked
from nuages.release.layout import server_site
from nuages.topology.loading import load_text


HOST = '[hosts.web-1]\naddress = "192.0.2.11"\n'


@pytest.mark.parametrize(
    ("text", "secure"),
    [
        (HOST, False),
        (f'domains = ["shop.example"]\n{HOST}', True),
        (f'{HOST}[tls]\ncertificate = "local-ca"\n', True),
        (f'domains = ["shop.example"]\n{HOST}[tls]\ncertificate = "none"\n', False),
    ],
)
def test_the_site_is_asked_as_it_is_served(text, secure):
    topology = load_text(Path("/home/ada/shop"), text)
    assert asked(topology, server_site("shop"), topology.hosts[0])["ask"]["secure"] is secure
