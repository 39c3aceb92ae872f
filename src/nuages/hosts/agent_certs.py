"""The host's side of certificates: says what lies there, asks an authority, renews. Python 3.9, standard library only.

Loaded beside agent.py it answers the question `certificates` (`look`). It is also put on the host as a program:

    certificate.py look QUESTION     what the question answers, as one JSON object
    certificate.py issue CONFIG      ask once. How it ended is kept in `attempts.json`; ends with 0 also where the authority said no
    certificate.py renew CONFIG      by the timer, and `--force`: ends with 1 where a renewal was due and failed
    certificate.py pair CHAIN KEY    what one pair of files is, for a certificate of the user's own

QUESTION is JSON: {"maker", "names": [...], "folder": where the pairs lie, "state": a folder for what is remembered}; so is the file
CONFIG: {"kind" (the maker), "site", "names", "folder", "state"; for acme: "server", "ca", "email", "webroot"}. A pair is kept whole in a folder of its own, and the link
`folder/KIND` is renamed from one to the next: nginx never finds a chain with the key of another.
"""

import contextlib
import json
import os
import re
import sys
import time


DAY = 86400
RENEW_BEFORE = 30 * DAY  # of a certificate of our own authority, which lasts LASTS days
LASTS, AUTHORITY_LASTS = 90, 3650
HOUR = 3600
NO_CHECK_TIME, PARTIAL_CHAIN = 0x200000, 0x80000  # X509_V_FLAG_* of X509_VERIFY_PARAM_set_flags(3)
ADDRESSES = 5.0  # seconds for all names
FILES = ("fullchain.pem", "privkey.pem")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# --- what lies there -----------------------------------------------------------------------------------------


def look(maker, names, folder, state, addresses=False):
    """`wanted` is the pair of this maker, `served` the one that the links lead to. The DNS is asked only where the first won't do,
    and so are this host's addresses, unless `addresses` wants them."""
    made = [os.path.join(folder, maker, name) for name in FILES]
    linked = [os.path.join(folder, name) for name in FILES]
    found = {
        "now": time.time(),
        "wanted": pair(*made),
        "linked": _link(linked[0]),
        "attempts": _json(os.path.join(state, "attempts.json")),
        "addresses": own_addresses() if addresses else [],
        "answers": {},
    }
    same = [os.path.realpath(path) for path in made] == [os.path.realpath(path) for path in linked]
    found["served"] = found["wanted"] if same else pair(*linked)
    if maker == "acme" and not covers(found["wanted"], names):
        found["addresses"] = found["addresses"] or own_addresses()
        found["answers"] = resolve(names)
    return found


def pair(chain, key):
    """names, issuer, subject, serial, not_before, not_after (seconds of the epoch); `problem` where it can't be served."""
    if not os.path.lexists(chain):
        return {"problem": "there is no %s" % chain}
    import ssl  # a first deploy does without, and it takes a while

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key, password=_no_password)
        with open(chain, encoding="ascii", errors="replace") as file:
            text = file.read()
        return dict(read_certificate(context, text), chain_length=text.count("BEGIN CERTIFICATE"), problem="")
    except (Encrypted, OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return {"problem": _said(error)}


class Encrypted(Exception):
    def __str__(self):
        return "the key is encrypted; nobody could type its password when the server starts"


def _no_password():
    raise Encrypted


REASONS = {
    "KEY_VALUES_MISMATCH": "the key is not the one of the certificate",
    "NO_START_LINE": "it is not in PEM form",
    "EE_KEY_TOO_SMALL": "its key is too short",
    "CA_MD_TOO_WEAK": "it is signed with a digest that nobody accepts any more",
}


def _said(error):
    reason = getattr(error, "reason", None)
    if reason:
        return REASONS.get(reason, "it can't be used: %s" % reason.lower().replace("_", " "))
    if isinstance(error, FileNotFoundError):
        return "there is no key, or no chain"
    return "it can't be read" if isinstance(error, PermissionError) else str(error)


def read_certificate(context, text):
    """The standard library decodes a certificate only for whoever verified it: so verify it against itself, in memory."""
    import ssl

    leaf = text[text.index("-----BEGIN CERTIFICATE") : text.index("-----END CERTIFICATE-----") + 25] + "\n"
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_flags |= NO_CHECK_TIME | PARTIAL_CHAIN
    asking.load_verify_locations(cadata=leaf)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [asking.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)]
    for _turn in range(8):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    found = ends[0].getpeercert()
    names = [value for kind, value in found.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    return {
        "names": [_plain(name) for name in names],
        "issuer": _name(found["issuer"]),
        "subject": _name(found["subject"]),
        "serial": found["serialNumber"],
        "not_before": _seconds(found["notBefore"]),
        "not_after": _seconds(found["notAfter"]),
        "self_signed": found["issuer"] == found["subject"],
    }


def _seconds(text):
    """As ssl.cert_time_to_seconds, which loads calendar, locale and the rest of strptime: `Jun  1 12:00:00 2027 GMT`."""
    from datetime import datetime, timezone

    month, day, clock, year, _zone = text.split()
    number = MONTHS.index(month) + 1
    return int(datetime(int(year), number, int(day), *map(int, clock.split(":")), tzinfo=timezone.utc).timestamp())


def _plain(name):
    if not re.fullmatch(r"[0-9a-fA-F.:\s]+", name):
        return name.lower()
    import ipaddress

    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name.strip()))
    return name.lower()


def _name(parts):
    flat = [pair for group in parts for pair in group]
    said = [value for key, value in flat if key in ("organizationName", "commonName")]
    return ", ".join(said)


def covers(found, names):
    return not found["problem"] and all(is_covered(name, found["names"]) for name in names)


def is_covered(name, names):
    """RFC 6125, 6.4.3: * stands for one label, the first."""
    return name in names or "*." + name.partition(".")[2] in names


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


# --- is this host what the names point to? --------------------------------------------------------------------


def own_addresses():
    done = _tried(["ip", "-j", "addr", "show"], 10)
    try:
        links = json.loads(done[1])
    except ValueError:
        return []
    return [info["local"] for link in links for info in link.get("addr_info", ()) if info.get("scope") == "global"]


def resolve(names):
    """What this host's resolver answers; [] for a name that has no address, nothing at all for one without an answer in time."""
    import socket
    import threading

    found = {}

    def ask(name):
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                found[name] = []
        except UnicodeError:
            found[name] = []
        else:
            found[name] = sorted({answer[4][0].partition("%")[0] for answer in answers})

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + ADDRESSES
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    return dict(found)


# --- another one ----------------------------------------------------------------------------------------------


def issue(config):
    """0 whatever the authority says: the site goes on without; what was said is kept, and told by `look`."""
    if config["kind"] == "local-ca":
        install(config, *local_pair(config))
        return 0
    ok, said = certbot(config, "certonly", *asking_for(config))
    if not ok:
        failed(config, said)
        print("no certificate for %s: %s" % (", ".join(config["names"]), said))
        return 0
    lineage = lineage_of(config)
    install(config, *lineage)
    note(config, failures=0, again=0, error="", last=time.time())
    print("the certificate for %s is there" % ", ".join(config["names"]))
    prove(config)
    return 0


def renew(config, force=False):
    if config["kind"] == "local-ca":
        found = pair(*_pair_of(config, config["kind"]))
        if force or not covers(found, config["names"]) or found["not_after"] - time.time() < RENEW_BEFORE:
            install(config, *local_pair(config))
        return 0
    before = lineage_digest(config)
    ok, said = certbot(config, "renew", "--no-random-sleep-on-renew", *(("--force-renewal",) if force else ()))
    if not ok:
        note(config, renewal_error=said, renewal_failed=time.time())
        print("not renewed: %s" % said)
        return 1
    after = lineage_digest(config)
    if after != before:
        note(config, proved=time.time(), renewal_error="")
    if after and after != os.path.basename(_link(os.path.join(config["folder"], "acme"))).rpartition("-")[2]:
        install(config, *lineage_of(config))
        print("renewed")
    if after and not _json(os.path.join(config["state"], "attempts.json")).get("proved"):
        prove(config)
    return 0


def prove(config):
    """That a renewal would work, before anybody relies on it: asked of the authority's trial server where it has one."""
    server = ("--server", config["server"]) if config.get("server") else ()  # else the trial server of Let's Encrypt
    ok, said = certbot(config, "renew", "--no-random-sleep-on-renew", "--dry-run", *server)
    note(config, proved=time.time() if ok else 0, renewal_error="" if ok else "in a trial, " + said)
    print("a renewal was tried, and works" if ok else "a renewal was tried, and failed: %s" % said)


def asking_for(config):
    mail = ("--email", config["email"], "--no-eff-email") if config.get("email") else ("--register-unsafely-without-email",)
    names = [word for name in config["names"] for word in ("-d", name)]
    server = ("--server", config["server"]) if config.get("server") else ()
    return (
        *("--agree-tos", *mail, *server, "--webroot", "--webroot-path", config["webroot"]),
        *("--cert-name", config["site"], "--key-type", "ecdsa", "--renew-with-new-domains", "--keep-until-expiring", *names),
    )


def certbot(config, verb, *words):
    home = config["state"]
    places = [
        word
        for option, name in (("--config-dir", "certbot"), ("--work-dir", "certbot-work"), ("--logs-dir", "certbot-logs"))
        for word in (option, os.path.join(home, name))
    ]
    argv = ["certbot", verb, "--non-interactive", "--max-log-backups", "20", *places, *words]
    if verb == "renew":
        argv += ["--cert-name", config["site"]]
    env = dict(os.environ, LC_ALL="C.UTF-8")
    if config.get("ca"):
        env["REQUESTS_CA_BUNDLE"] = config["ca"]
    status, out, err = _tried(argv, 300, env)
    return status == 0, why(out + "\n" + err) if status else ""


NOISE = ("Saving debug log", "Ask for help", "- - -", "All renewals failed", "Some challenges have failed", "1 renew failure")
UNREACHED = re.compile(
    r"(Connection refused|timed out|No route to host|Network is unreachable|Name or service not known|Temporary failure)"
)
REQUESTED = re.compile(r"host='([^']+)'|Requesting ([^/\s]+)/")


def why(text):
    """One line of what certbot tells on fifty: the authority's own words, else that it was not reached, else what came last."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(NOISE)]
    details = [line.partition(":")[2].strip() for line in lines if line.startswith("Detail:")]
    if details:
        return details[0][:300]
    for line in lines:
        cause = UNREACHED.search(line)
        if cause:
            asked = REQUESTED.search(line)
            return "%s can't be reached: %s" % ((asked[1] or asked[2]) if asked else "the authority", cause[1].lower())
    errors = [line.partition(" with error: ")[2] for line in lines if " with error: " in line]
    return (errors or lines or ["certbot said nothing"])[0 if errors else -1][:300]


def _tried(argv, timeout, env=None):
    import subprocess

    try:
        done = subprocess.run(
            argv, env=env, timeout=timeout, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except subprocess.TimeoutExpired:
        return 124, "", "%s timed out after %d s" % (argv[0], timeout)
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def failed(config, said):
    """Each failure doubles the wait, from an hour to a day: Let's Encrypt takes 5 failed validations an hour for a name."""
    failures = _json(os.path.join(config["state"], "attempts.json")).get("failures", 0) + 1
    wait = min(DAY, HOUR * 2 ** (failures - 1))
    note(config, failures=failures, last=time.time(), again=time.time() + wait, error=said)


def note(config, **values):
    path = os.path.join(config["state"], "attempts.json")
    write(path, json.dumps(dict(_json(path), **values)), 0o644)


def lineage_of(config):
    live = os.path.join(config["state"], "certbot", "live", config["site"])
    return tuple(_read(os.path.join(live, name)) for name in FILES)


def lineage_digest(config):
    try:
        return digest(*lineage_of(config))
    except OSError:
        return ""


def digest(chain, key):
    import hashlib

    return hashlib.sha256((chain + key).encode()).hexdigest()[:12]


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def _pair_of(config, kind):
    return tuple(os.path.join(config["folder"], kind, name) for name in FILES)


# --- putting it in place --------------------------------------------------------------------------------------


def install(config, chain, key):
    """A folder of its own, checked, then one rename; nginx reads it once it says that it can, else the old one comes back."""
    import shutil

    folder, kind = config["folder"], config["kind"]
    name = "%s-%s" % (kind, digest(chain, key))
    new = os.path.join(folder, name)
    os.makedirs(new, 0o700, exist_ok=True)
    write(os.path.join(new, "fullchain.pem"), chain, 0o644)
    write(os.path.join(new, "privkey.pem"), key, 0o600)
    found = pair(os.path.join(new, "fullchain.pem"), os.path.join(new, "privkey.pem"))
    if found["problem"]:
        raise SystemExit("the new certificate is not put in place: %s" % found["problem"])
    link = os.path.join(folder, kind)
    before = _link(link)
    _relink(link, name)
    problem = tell_proxy()
    if problem:
        if before:
            _relink(link, before)
        raise SystemExit("the new certificate is not put in place: %s" % problem)
    for other in os.listdir(folder):
        if other.startswith(kind + "-") and other not in (name, before):
            shutil.rmtree(os.path.join(folder, other), ignore_errors=True)


def _relink(path, target):
    partial = path + ".partial"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(partial)
    os.symlink(target, partial)
    os.replace(partial, path)


def tell_proxy():
    """What is wrong, or "". A reload keeps open connections; a proxy that is not running reads it when it starts."""
    import shutil

    if not shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        return ""
    status, _out, err = _tried(["/usr/sbin/nginx", "-t", "-q"], 30)
    if status:
        return err.strip().splitlines()[0] if err.strip() else "nginx -t says no"
    status, _out, err = _tried(["systemctl", "try-reload-or-restart", "nginx.service"], 60)
    return "nginx did not reload: %s" % err.strip() if status else ""


def write(path, text, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = path + ".partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(partial, mode)
    os.replace(partial, path)


# --- an authority of our own ----------------------------------------------------------------------------------


def local_pair(config):
    """A new key and a certificate for all names by this site's own authority, which is made where there is none that may."""
    home = os.path.join(config["state"], "authority")
    os.makedirs(home, 0o755, exist_ok=True)
    if not _may_sign(home, config["names"]):
        make_authority(home, config)
    with working_folder(home) as work:
        key, request, made = (os.path.join(work, name) for name in ("key.pem", "request.pem", "made.pem"))
        _openssl("req", "-new", *NEW_KEY, "-keyout", key, "-subj", "/CN=" + config["names"][0][:64], "-out", request)
        extensions = os.path.join(work, "extensions")
        write(extensions, LEAF % ", ".join(map(_alternative, config["names"])), 0o600)
        signer = ("-CA", os.path.join(home, "ca.pem"), "-CAkey", os.path.join(home, "ca-key.pem"))
        serial = "0x%x" % (int.from_bytes(os.urandom(15), "big") | 1 << 120)
        _openssl(
            "x509",
            "-req",
            "-sha256",
            "-in",
            request,
            *signer,
            "-set_serial",
            serial,
            "-days",
            str(LASTS),
            "-extfile",
            extensions,
            "-out",
            made,
        )
        return _read(made) + _read(os.path.join(home, "ca.pem")), _read(key)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
LEAF = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=%s
"""
AUTHORITY = """[req]
distinguished_name=name
prompt=no
x509_extensions=extensions
[name]
O=Nuages
CN=%s
[extensions]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
nameConstraints=critical,%s
"""


def make_authority(home, config):
    """It may sign for this site's names and for no others, so whoever trusts it risks nothing else, even where its key is stolen."""
    called = "Authority of %s, %s" % (config["site"], time.strftime("%Y-%m-%d"))
    with working_folder(home) as work:
        settings, key, made = (os.path.join(work, name) for name in ("settings", "ca-key.pem", "ca.pem"))
        write(settings, AUTHORITY % (called, _constraints(config["names"])), 0o600)
        _openssl(
            "req",
            "-x509",
            "-new",
            "-sha256",
            *NEW_KEY,
            "-keyout",
            key,
            "-days",
            str(AUTHORITY_LASTS),
            "-config",
            settings,
            "-out",
            made,
        )
        os.chmod(made, 0o644)
        write(os.path.join(work, "names.json"), json.dumps(config["names"]), 0o644)
        for name in ("ca-key.pem", "ca.pem", "names.json"):
            os.replace(os.path.join(work, name), os.path.join(home, name))
    print("made an authority of the site's own; people who shall trust it install %s/ca.pem" % home)


def _may_sign(home, names):
    allowed = _json(os.path.join(home, "names.json")) or []
    return os.path.isfile(os.path.join(home, "ca-key.pem")) and all(name in allowed for name in names)


def _is_address(name):
    import ipaddress

    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name)
    return None


def _alternative(name):
    return ("IP:" if _is_address(name) else "DNS:") + name


def _constraints(names):
    allowed = []
    for name in names:
        address = _is_address(name)
        if address is None:
            allowed.append("permitted;DNS:" + name.replace("*.", "", 1))
        elif address.version == 4:
            allowed.append("permitted;IP:%s/255.255.255.255" % address)
        else:
            allowed.append("permitted;IP:%s/%s" % (address, ":".join(["ffff"] * 8)))
    given = " ".join(allowed)
    allowed += [] if "DNS:" in given else ["excluded;DNS:"]
    allowed += [] if "IP:" in given else ["excluded;IP:0.0.0.0/0.0.0.0", "excluded;IP:::/::"]
    return ",".join(allowed)


@contextlib.contextmanager
def working_folder(home):
    import shutil

    work = os.path.join(home, ".work-%d" % os.getpid())
    os.makedirs(work, 0o700)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _openssl(*words):
    status, _out, err = _tried(["openssl", *words], 60)
    if status:
        raise SystemExit("openssl %s: %s" % (words[0], err.strip()[-300:]))


def main(argv):
    verb, rest = argv[0], argv[1:]
    os.umask(0o022)
    if verb == "look":
        print(json.dumps(look(**json.loads(rest[0]))))
    elif verb == "pair":
        print(json.dumps(dict(pair(*rest), now=time.time())))
    else:
        config = _json(rest[0])
        with alone(config):
            return issue(config) if verb == "issue" else renew(config, "--force" in rest)
    return 0


@contextlib.contextmanager
def alone(config):
    """A timer whose time passed while the site was away begins at once, beside the deploy that asks itself: each would take
    the other's pair for an old one. Root's alone, for who may read the file could hold it."""
    import fcntl

    os.makedirs(config["state"], exist_ok=True)
    descriptor = os.open(os.path.join(config["state"], "lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if "READS" in globals():  # of agent.py
    globals()["READS"]["certificates"] = look

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
