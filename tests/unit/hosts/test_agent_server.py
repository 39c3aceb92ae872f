"""What the agent can do on servers: scratch folders, pieces that arrive, builds made of them, accounts."""

import hashlib
import io
import json
import os
import pwd
import stat
import sys
import time
import zlib

import pytest
from agent_module import agent, beside


server = beside("agent_server")
ME = pwd.getpwuid(os.getuid()).pw_name


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def store(tmp_path):
    """A store with three pieces in it."""
    folder = tmp_path / "pieces"
    for text in ("one", "two", ""):
        path = folder / digest(text)[:2] / digest(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    return str(folder)


@pytest.fixture
def send(tmp_path, monkeypatch):
    """Standard input of the agent."""

    def feed(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return server.read_receive(str(tmp_path / "pieces"))

    return feed


def frame(text, packed=False, name=None):
    data = zlib.compress(text.encode()) if packed else text.encode()
    return b"%s %d %d\n" % ((name or digest(text)).encode(), len(text), len(data) if packed else 0) + data


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# --- pieces ------------------------------------------------------------------------------------------------------


def test_pieces_arrive_plain_and_compressed(send, tmp_path):
    assert send(frame("plain") + frame("packed" * 99, packed=True) + frame("") + b"end\n") == {"pieces": 3}
    for text in ("plain", "packed" * 99, ""):
        assert (tmp_path / "pieces" / digest(text)[:2] / digest(text)).read_text() == text


def test_what_arrived_before_the_connection_died_stays(send, tmp_path):
    with pytest.raises(agent.StepFailed, match="ended within a piece") as error:
        send(frame("whole") + frame("this one is cut")[:-3])
    assert "what arrived is kept" in error.value.hint
    kept = [name for _folder, _folders, names in os.walk(tmp_path / "pieces") for name in names]
    assert kept == [digest("whole")]


def test_an_end_between_two_pieces_is_an_end_too_soon(send):
    with pytest.raises(agent.StepFailed, match="before the last piece"):
        send(frame("whole"))


def test_a_piece_with_another_content_than_its_name_is_refused(send, tmp_path):
    with pytest.raises(agent.StepFailed, match="another content"):
        send(frame("evil", name=digest("good")) + b"end\n")
    assert server.read_lacking(str(tmp_path / "pieces"), {digest("good"): 4}) == [digest("good")]


def test_only_what_is_lacking_is_named_and_an_empty_leftover_of_a_power_loss_lacks(store):
    broken = digest("two")
    with open(os.path.join(store, broken[:2], broken), "w"):
        pass
    known = {digest("one"): 3, broken: 3, digest("three"): 5}
    assert server.read_lacking(store, known) == [broken, digest("three")]


# --- builds ------------------------------------------------------------------------------------------------------


ENTRIES = [
    ["a/one.txt", "f", digest("one"), 0o644],
    ["run", "f", digest("two"), 0o755],
    ["empty", "d", "", 0o750],
    ["link", "l", "a", 0],
]


def test_a_build_is_made_of_pieces_by_hard_links(store, tmp_path):
    for name in ("r1", "r2"):
        server.write_assemble(store, str(tmp_path / "releases" / name), ENTRIES)
    first, second = tmp_path / "releases" / "r1", tmp_path / "releases" / "r2"
    assert (first / "link" / "one.txt").read_text() == "one"
    assert (mode(first / "a" / "one.txt"), mode(first / "run"), mode(first / "empty")) == (0o644, 0o755, 0o750)
    assert (first / "run").stat().st_ino == (second / "run").stat().st_ino


def test_the_same_piece_with_two_modes_is_kept_twice(store, tmp_path):
    both = [["a", "f", digest("one"), 0o644], ["b", "f", digest("one"), 0o755]]
    server.write_assemble(store, str(tmp_path / "x"), both)
    assert (mode(tmp_path / "x" / "a"), mode(tmp_path / "x" / "b")) == (0o644, 0o755)


def test_its_list_may_be_a_piece_itself(store, tmp_path):
    text = json.dumps(ENTRIES)
    path = tmp_path / "pieces" / digest(text)[:2] / digest(text)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    server.write_assemble(store, str(tmp_path / "x"), {"piece": digest(text)})
    assert (tmp_path / "x" / "run").read_text() == "two"


def test_a_build_lacking_a_piece_is_not_made_at_all(store, tmp_path):
    with pytest.raises(agent.StepFailed, match="is not in the store"):
        server.write_assemble(store, str(tmp_path / "x"), [*ENTRIES, ["b", "f", digest("three"), 0o644]])
    assert not (tmp_path / "x").exists()
    server.write_assemble(store, str(tmp_path / "x"), ENTRIES)
    assert sorted(os.listdir(tmp_path / "x")) == ["a", "empty", "link", "run"]


def test_a_build_that_is_there_stays_as_it_is(store, tmp_path):
    server.write_assemble(store, str(tmp_path / "x"), ENTRIES)
    before = (tmp_path / "x").stat().st_mtime_ns
    server.write_assemble(store, str(tmp_path / "x"), [])
    assert (tmp_path / "x").stat().st_mtime_ns == before


def test_sweeping_removes_what_no_build_is_made_of(store, tmp_path, capsys):
    server.write_assemble(store, str(tmp_path / "x"), [["a", "f", digest("one"), 0o644]])
    server.write_sweep(store)
    assert server.read_lacking(store, {digest("one"): 3, digest("two"): 3}) == [digest("two")]


# --- scratch -----------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch_base(tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_scratch_folder_is_private_and_has_what_was_asked_for(scratch_base):
    path = server.read_scratch({"in/settings.json": "{}", "run.sh": ""}, {"python": sys.executable}, ME, {"run.sh": 0o700})[
        "path"
    ]
    assert mode(path) == 0o700
    assert (mode(f"{path}/in"), mode(f"{path}/in/settings.json"), mode(f"{path}/run.sh")) == (0o700, 0o600, 0o700)
    assert os.readlink(f"{path}/python") == sys.executable
    server.read_unscratch(path)
    assert not os.path.exists(path)


def test_a_file_can_not_be_put_beside_the_folder(scratch_base):
    with pytest.raises(agent.StepFailed, match="outside of its folder"):
        server.read_scratch({"../a": ""})
    assert not (scratch_base / "a").exists()


def test_leftovers_of_yesterday_are_swept_and_others_stay(scratch_base):
    for name in ("nuages-old", "nuages-new", "theirs"):
        (scratch_base / name).mkdir()
    long_ago = time.time() - 2 * 86400
    for name in ("nuages-old", "theirs"):
        os.utime(scratch_base / name, (long_ago, long_ago))
    server.read_scratch({})
    assert not (scratch_base / "nuages-old").exists()
    assert (scratch_base / "nuages-new").exists()
    assert (scratch_base / "theirs").exists()


def test_nothing_but_a_scratch_folder_is_removed_as_one(scratch_base):
    (scratch_base / "theirs").mkdir()
    server.read_unscratch(str(scratch_base / "theirs"))
    assert (scratch_base / "theirs").exists()


# --- accounts ----------------------------------------------------------------------------------------------------


def test_a_command_as_an_account_has_its_home_and_none_of_our_environment(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    told = agent.read_command(["/usr/bin/env"], user=ME)["stdout"].splitlines()
    assert f"HOME={pwd.getpwnam(ME).pw_dir}" in told
    assert f"USER={ME}" in told
    assert not [line for line in told if line.startswith("SECRET")]


def test_an_account_that_is_not_there_is_named():
    assert "no account called nobody-here" in agent.read_command(["/bin/true"], user="nobody-here")["stderr"]
    with pytest.raises(agent.StepFailed, match="no account called nobody-here"):
        agent.write_run(["/bin/true"], user="nobody-here")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_root_becomes_the_account_for_good(tmp_path):
    told = agent.read_command(["/bin/sh", "-c", "id -un; id -Gn; umask; touch /etc/nuages-was-here"], user="nobody")
    assert told["stdout"].splitlines()[0] == "nobody"
    assert "root" not in told["stdout"]
    assert told["stdout"].split()[-1] == "0027"
    assert not os.path.exists("/etc/nuages-was-here")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_and_folders_belong_to_whom_the_step_says(tmp_path):
    agent.write_mkdir(str(tmp_path / "media"), 0o2750, "nobody", "www-data")
    agent.write_file(str(tmp_path / "media" / "a"), "x", 0o640, owner="root", group="www-data")
    media, file = (tmp_path / "media").stat(), (tmp_path / "media" / "a").stat()
    assert (pwd.getpwuid(media.st_uid).pw_name, stat.S_IMODE(media.st_mode)) == ("nobody", 0o2750)
    assert (file.st_uid, stat.S_IMODE(file.st_mode)) == (0, 0o640)
    agent.write_chown(str(tmp_path / "media"), owner="nobody", recursive=True)
    assert (tmp_path / "media" / "a").stat().st_uid == media.st_uid


def test_a_link_that_somebody_laid_in_the_way_is_not_followed(tmp_path):
    """In a folder that an account of the site may write to, it could lead root anywhere."""
    (tmp_path / "victim").write_text("precious")
    os.symlink(tmp_path / "victim", f"{tmp_path}/a.{os.getpid()}.partial")
    agent.write_file(str(tmp_path / "a"), "ours")
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "a").read_text() == "ours"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
def test_a_link_of_another_account_gets_no_manners(tmp_path):
    (tmp_path / "victim").mkdir(mode=0o700)
    os.symlink(tmp_path / "victim", tmp_path / "a")
    agent.write_mkdir(str(tmp_path / "a"), 0o750)  # one's own link is meant
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o750
    os.chown(tmp_path / "a", 65534, 65534, follow_symlinks=False)
    for write in (agent.write_mkdir, agent.write_chown):
        with pytest.raises(agent.StepFailed, match="is a link"):
            write(str(tmp_path / "a"), mode=0o777)
    assert stat.S_IMODE((tmp_path / "victim").stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("names", "of_others"),
    [([], False), (["index.html"], True), (["store"], False), (["store", "lock.json.guard", "shared", "audit.jsonl"], False)],
)
def test_a_folder_that_somebody_else_keeps_under_the_site_s_name_is_known(tmp_path, names, of_others):
    for name in names:
        (tmp_path / name).touch()
    assert agent.read_site(str(tmp_path))["of_others"] is of_others


def test_who_may_read_a_lock_could_hold_it_so_its_owner_alone_may(tmp_path):
    path = tmp_path / "lock"
    path.touch(mode=0o644)
    with agent._alone(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- what a host says of itself ----------------------------------------------------------------------------------


def test_a_host_says_what_it_is():
    told = agent.read_host()
    assert told["os"]
    assert told["os_version"]
    assert told["arch"] == os.uname().machine
    assert told["libc"].startswith(("glibc", "musl"))
    assert told["ssh_port"] in told["ssh_ports"]


def test_a_text_is_read_from_either_end(tmp_path):
    (tmp_path / "log").write_text("first\nlast\n")
    assert agent.read_text(str(tmp_path / "log"), 5) == "first"
    assert agent.read_text(str(tmp_path / "log"), -5) == "last\n"
    assert agent.read_text(str(tmp_path / "none")) is None


def test_what_only_servers_need_is_loaded_when_it_is_asked_for():
    assert agent.known(agent.WRITES, "assemble").__name__ == "write_assemble"
    assert agent.known(agent.READS, "scratch").__name__ == "read_scratch"
    with pytest.raises(agent.StepFailed, match="knows no dance"):
        agent.known(agent.READS, "dance")


def test_a_long_request_travels_compressed_and_a_cut_one_is_nothing():
    from nuages.hosts.answers import as_line

    request = {"read": {"it": {"kind": "files", "paths": ["/a" * 20] * 5000}}}
    line = as_line(request)
    assert len(line) < 5000
    assert agent.understand(line) == request
    with pytest.raises((zlib.error, ValueError)):
        agent.understand(line[: len(line) // 8 * 4])
