"""What follows from what was seen: serve over https or not, ask the authority or spare it, how long HSTS may last. Pure."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from nuages.components.certificates.seen import Pair, Seen, folder
from nuages.components.contract import Certificate
from nuages.topology.model import Host, Topology


SOON = 7 * 86400  # seconds: that a certificate ends so soon means that renewing does not work
FIVE_MINUTES, DAY = 300, 86400
OVERRIDE = "[settings] SECURE_HSTS_SECONDS says it all the same"


@dataclass(frozen=True)
class Decision:
    """`ask`: this plan asks for a certificate for `names`, which are those whose DNS points here. `notes` are for people."""

    certificate: Certificate
    names: tuple[str, ...] = ()
    ask: bool = False
    notes: tuple[str, ...] = ()
    seen: Seen = field(default_factory=Seen)


def wanted(topology: Topology, names: tuple[str, ...]) -> bool:
    """Should the site have a certificate on its servers? Where a domain is declared, unless told otherwise; our own
    authority certifies addresses as well."""
    kind = topology.tls.certificate
    return topology.remote and (bool(topology.domains) if kind == "acme" else kind in ("local-ca", "own") and bool(names))


def decide(topology: Topology, host: Host, names: tuple[str, ...], seen: Seen) -> Decision:
    """`names` are those that the site answers to (`proxy.names_of`)."""
    kind = topology.tls.certificate
    if not wanted(topology, names):
        why = "tls.certificate is none" if kind == "none" else "no domain is declared"
        return Decision(Certificate(kind, note=why), seen=seen)
    have = tuple(name for name in names if seen.wanted.covers(name)) if seen.wanted.usable else ()
    reasons = {name: _why_not(name, topology, host, seen) for name in names if name not in have}
    askable = (*have, *(name for name, reason in reasons.items() if not reason))
    due = bool(have) and seen.wanted.not_after <= seen.now
    ask = kind != "own" and (len(askable) > len(have) or due)
    notes = tuple(filter(None, reasons.values()))
    if ask and kind == "acme" and seen.again > seen.now:
        ask = False
        notes += (f"the authority said no {_times(seen.failures)}: {seen.error}; it is asked again after {_clock(seen.again)}",)
    elif ask and not have and kind == "acme":
        notes += ("the certificate is being asked for",)
    ready = bool(have) or seen.served.usable or kind != "acme"  # these are made in the same plan, before the site
    place = folder(topology.name)
    certificate = Certificate(
        kind, ready, str(place / "fullchain.pem"), str(place / "privkey.pem"), "" if ready else "; ".join(notes)
    )
    return Decision(certificate, askable, ask, notes + (_warnings(seen.wanted, seen) if have else ()), seen)


def _why_not(name: str, topology: Topology, host: Host, seen: Seen) -> str:
    """Why no certificate for `name` can be asked for; "" where it can. Our own authority certifies any name."""
    if topology.tls.certificate != "acme":
        return ""
    if topology.port not in (0, 80):
        return f"a public authority asks on port 80, and the site is on port {topology.port}"
    if name.startswith("*."):
        return f"{name}: a public authority proves wildcards by DNS only; give a certificate of your own (tls.certificate = own)"
    return dns_points_here(name, seen.answers.get(name), (*seen.addresses, host.address), topology.trusted_proxies)


def dns_points_here(name: str, answers: tuple[str, ...] | None, own: Iterable[str], proxies: Iterable[str] = ()) -> str:
    """Whether an authority will reach this host under `name`: "" for yes, or not known, else the reason, for people.

    Every address counts: authorities try IPv6 first, and one that leads elsewhere is enough to fail. `answers` None: the
    resolver did not answer in time, which says nothing. Addresses of `proxies`, declared ones, pass the question on.
    """
    if answers is None:
        return ""
    if not answers:
        return f"{name} has no address in the DNS yet"
    ours = list(dict.fromkeys(ipaddress.ip_address(text) for text in own if _is_address(text)))
    networks = [ipaddress.ip_network(text, strict=False) for text in proxies if text != "unix"]
    elsewhere = [
        answer
        for answer in map(ipaddress.ip_address, answers)
        if not answer.is_loopback and answer not in ours and not any(answer in network for network in networks)
    ]
    wrong = [answer for answer in elsewhere if not _may_be_translated(answer, ours)]
    if not wrong:
        return ""
    shown = ", ".join(str(address) for address in ours) or "which has none"
    return f"the DNS of {name} points to {', '.join(map(str, wrong))}, not to this host ({shown})"


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _may_be_translated(answer: Address, ours: Iterable[Address]) -> bool:
    """Behind a network that translates addresses a host does not know its public one: then it is tried."""
    return not answer.is_private and all(address.is_private for address in ours if address.version == answer.version)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _warnings(found: Pair, seen: Seen) -> tuple[str, ...]:
    left = found.not_after - seen.now
    if left <= 0:
        return (f"the certificate ended {_clock(found.not_after)}; browsers warn. {seen.renewal_error}".strip(),)
    if left < SOON:
        return (f"the certificate ends {_clock(found.not_after)}. {seen.renewal_error}".strip(),)
    return (f"renewing the certificate failed: {seen.renewal_error}",) if seen.renewal_error else ()


def hsts_allowed(topology: Topology, decision: Decision, before: int) -> tuple[int, str]:
    """(seconds, why not more) of what [tls] hsts_seconds asks for. `before` is what the live release sends.

    A browser that has seen it refuses plain http, and any certificate that it does not trust, for so long: so it grows in
    stages, and beyond a day only when a renewal has been seen to work.
    """
    asked, kind = topology.tls.hsts_seconds, topology.tls.certificate
    if not asked or (kind == "none" and topology.tls.enabled):
        return asked, ""
    if not decision.certificate.ready:
        return 0, "no certificate is there yet"
    if kind == "local-ca":
        return 0, "never with an authority of our own: who does not trust it could not reach the site at all"
    highest = next((stage for stage in (FIVE_MINUTES, DAY) if before < stage), asked)
    if asked > highest:  # held where it is, not raised by the mere next deploy
        held = max(before, FIVE_MINUTES)
        return held, f"in stages; {held} s is sent; the next step is hsts_seconds = {DAY}"
    if asked > max(before, DAY) and not decision.seen.proved:
        return max(before, DAY), _unproved(kind, decision.seen)
    return asked, ""


def _unproved(kind: str, seen: Seen) -> str:
    if kind == "own":
        return f"a day at most, for a certificate of your own is renewed by hand, which nothing can prove; {OVERRIDE}"
    return f"a day at most, for {seen.renewal_error or 'no renewal has been seen to work yet'}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
