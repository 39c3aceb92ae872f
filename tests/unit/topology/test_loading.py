"""nuages.toml: everything in the reference is accepted, anything else is explained."""

import contextlib
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nuages.errors import ProjectError, TopologyError
from nuages.topology import Topology, find_root, load_topology
from nuages.topology.loading import REFERENCE, site_name


REFERENCE_TEXT = REFERENCE.read_text(encoding="utf-8")


@pytest.fixture
def load(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()

    def load_text(text):
        (root / "nuages.toml").write_text(text, encoding="utf-8")
        return load_topology(root)

    return load_text


def keys_of(table, path=()):
    for key, value in table.items():
        if not isinstance(value, list) or not any(isinstance(item, dict) for item in value):
            yield from keys_of(value, (*path, key)) if isinstance(value, dict) and value else [((*path, key), value)]


REFERENCE_KEYS = list(keys_of(tomllib.loads(REFERENCE_TEXT)))


def as_toml(path, value):
    shown = {str: lambda v: f'"{v}"', bool: lambda v: str(v).lower(), dict: lambda v: "{}"}.get(type(value), str)(value)
    *tables, key = path
    return (f"[{'.'.join(tables)}]\n" if tables else "") + f"{key} = {shown}\n"


def test_the_whole_reference_is_a_valid_file(load):
    assert load(REFERENCE_TEXT).name == "library"


@pytest.mark.parametrize(("path", "value"), REFERENCE_KEYS, ids=str)
def test_every_key_of_the_reference_may_stand_alone(load, path, value):
    assert load(as_toml(path, value)).declared


def test_the_defaults_that_the_reference_shows_are_the_defaults(load):
    shown, plain = load(REFERENCE_TEXT), load("")
    told = (
        "name",
        "manage",
        "settings",
        "wsgi",
        "processes",
        "scale",
        "hosts",
        "cron",
        "supervisor",
        "server",
        "environments",
        "scrub",
    )  # examples, not defaults
    differing = {n for n in Topology.__dataclass_fields__ if getattr(shown, n) != getattr(plain, n)}
    assert differing <= set(told)


def test_a_host_needs_no_more_than_its_name(load):
    topology = load("[hosts.web-1]")
    assert [(h.name, h.address, h.user) for h in topology.hosts] == [("web-1", "web-1", "")]
    assert (topology.remote, topology.server, topology.supervisor) == (True, "granian", "systemd")


def test_an_address_may_name_the_user(load):
    host = load('[hosts.web-1]\naddress = "ada@203.0.113.10"\nport = 2222').hosts[0]
    assert (host.user, host.address, host.port) == ("ada", "203.0.113.10", 2222)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("hosts = 3", "hosts"),
        ("[hosts]\nweb = 1", "hosts.web"),
        ("[hosts.Web_1]", "hosts.Web_1"),
        ('[hosts.web-1]\naddress = "-oProxyCommand=x"', "hosts.web-1.address"),
        ('[hosts.web-1]\nadress = "x"', "hosts.web-1.adress"),
        ("[hosts.web-1]\nport = 70000", "hosts.web-1.port"),
        ('[[cron]]\nname = "a"', "cron.0"),
        ('[[cron]]\nname = "a"\ncommand = "x"\nat = "daily"\n' * 2, "cron.1.name"),
        ('[serve]\nserver = "granian"', "serve.server"),
        ('[serve]\nsupervisor = "systemd"', "serve.supervisor"),
        ('[serve]\nrelax = ["everything"]', "serve.relax"),
        ('[serve]\nmax_upload = "lots"', "serve.max_upload"),
        ('[tls]\ncertificate = "own"', "tls.cert_file"),
    ],
)
def test_what_can_not_be_of_servers_names_its_key(load, text, where):
    with pytest.raises(TopologyError) as caught:
        load(text)
    assert caught.value.where == where


def test_without_a_file_everything_has_its_default(tmp_path):
    (tmp_path / "My Shop").mkdir()
    topology = load_topology(tmp_path / "My Shop")
    assert (topology.name, topology.declared, topology.keep) == ("my-shop", False, 5)


def test_what_is_written_is_what_is_meant(load):
    topology = load("""
        name = "web-shop"
        domains = ["Shop.Example", "*.shop.example"]
        port = 8123
        keep = 3
        [project]
        settings = "shop.settings.production"
        requirements = ["requirements/prod.txt"]
        [scale]
        web = 4
        [tls]
        enabled = true
        [checks]
        silence = { "caches.N001" = "one machine for now" }
        [settings]
        DATA_UPLOAD_MAX_MEMORY_SIZE = 1
        [overlay]
        leave = ["LOGGING"]
    """)
    assert topology.domains == ("shop.example", "*.shop.example")
    assert (topology.port, topology.keep, topology.scale) == (8123, 3, {"web": 4})
    assert (topology.settings, topology.requirements) == ("shop.settings.production", ("requirements/prod.txt",))
    assert topology.tls.enabled
    assert (topology.silenced[0].id, topology.silenced[0].reason) == ("caches.N001", "one machine for now")
    assert (topology.overrides, topology.leave) == ({"DATA_UPLOAD_MAX_MEMORY_SIZE": 1}, ("LOGGING",))


@pytest.mark.parametrize(
    ("text", "where", "meant"),
    [
        ("prot = 8000", "prot", "port"),
        ("domain = []", "domain", "domains"),
        ("[serv]", "serv", "serve"),
        ("[serve]\nthread = 2", "serve.thread", "threads"),
        ("[health]\npaht = '/'", "health.paht", "path"),
        ("[tls]\nenable = true", "tls.enable", "enabled"),
        ("[serve]\nserver = 'gunicron'", "serve.server", "gunicorn"),
        ("[migrations]\npolicy = 'saef'", "migrations.policy", "safe"),
    ],
)
def test_a_misspelt_key_or_choice_is_named_with_what_was_meant(load, text, where, meant):
    with pytest.raises(TopologyError) as error:
        load(text)
    assert error.value.where == where
    assert f"did you mean {meant}?" in error.value.hint


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("port = '8000'", "port"),
        ("port = true", "port"),
        ("port = 8000.5", "port"),
        ("keep = 2.5", "keep"),
        ("domains = 'shop.example'", "domains"),
        ("domains = [1]", "domains"),
        ("name = 1", "name"),
        ("project = 3", "project"),
        ("[tls]\nenabled = 1", "tls.enabled"),
        ("[tls]\nhsts_seconds = true", "tls.hsts_seconds"),
        ("[serve]\nthreads = 1.5", "serve.threads"),
        ("[scale]\nweb = '2'", "scale.web"),
        ("[scale]\nweb = true", "scale.web"),
        ("processes = []", "processes"),
        ("[processes]\nworker = ['celery']", "processes.worker"),
        ("[checks.silence]\nx = 1", "checks.silence.x"),
        ("[checks.silence]\nx = ' '", "checks.silence.x"),
        ("[settings]\ndebug = true", "settings.debug"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_by_its_key(load, text, where):
    with pytest.raises(TopologyError) as error:
        load(text)
    assert error.value.where == where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("port = -1", "port"),
        ("port = 65536", "port"),
        ("keep = 0", "keep"),
        ("[serve]\ndrain = -1", "serve.drain"),
        ("[serve]\ndrain = nan", "serve.drain"),
        ("[serve]\ndrain = inf", "serve.drain"),
        ("[serve]\nthreads = -1", "serve.threads"),
        ("[health]\nwithin = 0", "health.within"),
        ("[health]\nwithin = inf", "health.within"),
        ("[migrations]\nlock_timeout = -3", "migrations.lock_timeout"),
        ("[tls]\nhsts_seconds = -1", "tls.hsts_seconds"),
        ("[health]\npath = 'shop'", "health.path"),
        ('[health]\npath = "/\\r\\nX-Evil: 1"', "health.path"),
        ("[scale]\nweb = -1", "scale.web"),
        ("[scale]\nweb = 100000", "scale.web"),
        ("name = ''", "name"),
        ("name = '../../etc'", "name"),
        ("name = 'shop; rm -rf /'", "name"),
        ("domains = ['https://shop.example']", "domains.0"),
        ("domains = ['shop.example', 'a b']", "domains.1"),
        ('domains = ["shop.example\\n"]', "domains.0"),
        ("[processes]\n'../x' = 'sh'", "processes.'../x'"),
        ('[processes]\nworker = "a\\u0000b"', "processes.worker"),
    ],
)
def test_a_value_that_can_not_work_is_refused_at_once(load, text, where):
    with pytest.raises(TopologyError) as error:
        load(text)
    assert error.value.where == where


@pytest.mark.parametrize(
    "text",
    ["name = ", "[project", "a = 1\na = 2", "x = " + "[" * 5000, "port = " + "9" * 5000, "x = 1e9999\ny = 2020-13-45"],
)
def test_what_is_no_toml_says_so(load, text):
    with pytest.raises(TopologyError):
        load(text)


def test_bytes_that_are_no_text_say_so(tmp_path):
    (tmp_path / "nuages.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(TopologyError, match="not valid TOML"):
        load_topology(tmp_path)


def only_topology_or_its_error(text):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nuages.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        with contextlib.suppress(TopologyError):
            assert isinstance(load_topology(Path(folder)), Topology)


@given(st.text())
@settings(max_examples=60, deadline=None)
def test_any_text_gives_a_topology_or_a_topology_error(text):
    only_topology_or_its_error(text)


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.dates(),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"], exclude_characters="'\\"), max_size=20),
)
LITERALS = {bool: lambda v: str(v).lower(), str: lambda v: f"'{v}'"}


def literal(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return LITERALS.get(type(value), str)(value)


@given(st.sampled_from([path for path, _ in REFERENCE_KEYS]), SCALARS | st.lists(SCALARS, max_size=3))
@example(("keep",), 1.5)
@settings(max_examples=150, deadline=None)
def test_any_value_of_a_known_key_gives_a_topology_or_a_topology_error(path, value):
    *tables, key = path
    only_topology_or_its_error((f"[{'.'.join(tables)}]\n" if tables else "") + f"{key} = {literal(value)}\n")


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_folder_gives_a_site_name_that_is_safe_and_stays_itself(folder):
    name = site_name(folder)
    assert site_name(name) == name
    assert 0 < len(name) <= 48
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_name_of_a_long_folder_may_be_declared(tmp_path):
    root = tmp_path / ("a" * 47 + "-shop")
    root.mkdir()
    (root / "nuages.toml").write_text(f'name = "{load_topology(root).name}"')
    assert load_topology(root).declared


def test_the_root_is_found_from_a_folder_inside_the_project(tmp_path):
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    (tmp_path / "shop" / "manage.py").touch()
    assert find_root(tmp_path / "shop" / "deep") == (tmp_path / "shop").resolve()


def test_the_search_for_the_root_does_not_leave_the_repository(tmp_path):
    (tmp_path / "manage.py").touch()
    (tmp_path / "repo" / "inside").mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    assert find_root(tmp_path / "repo" / "inside") == (tmp_path / "repo" / "inside").resolve()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProjectError, match="no such folder"):
        find_root(tmp_path / "nowhere")


def test_in_a_rehearsal_hosts_of_the_lab_stand_in(load, monkeypatch):
    monkeypatch.setenv("NUAGES_REHEARSAL", "/lab/ssh_config")
    topology = load('domains = ["shop.example"]\n[hosts.web-1]\naddress = "ada@203.0.113.10"\nport = 2222')
    host = topology.hosts[0]
    assert (host.name, host.address, host.user, host.port) == ("web-1", "web-1", "root", 0)
    assert host.ssh_config == "/lab/ssh_config"
    assert topology.tls.certificate == "local-ca"


def test_a_site_of_this_machine_is_not_rehearsed(load, monkeypatch):
    monkeypatch.setenv("NUAGES_REHEARSAL", "/lab/ssh_config")
    assert load("").hosts == ()
