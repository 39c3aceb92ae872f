"""The ops that make a server ready, on a folder in place of /: what lay there is kept, what we wrote is known."""

import json
import os

import pytest
from agent_module import agent, beside


ready = beside("agent_ready")
files = beside("agent_files")
beside("agent_packages")
units = beside("agent_units")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.fixture
def me():
    return {"owner": str(os.getuid()), "group": str(os.getgid())}


def ledger(root):
    return json.loads((root / "var/lib/nuages/ledger.json").read_text())


def install(root, me, path="/etc/shop.conf", content="ours\n", **how):
    files.write_install(path, content, whose="shop", by="shop", root=str(root), **{**me, **how})


def test_a_file_is_written_and_known_by_its_digest(root, me):
    install(root, me, mode=0o640)
    entry = ledger(root)["files"]["/etc/shop.conf"]
    lying = ready.read_ready(paths=["/etc/shop.conf"], root=str(root))["paths"]["/etc/shop.conf"]
    assert lying["sha256"] == entry["digest"]
    assert lying["mode"] == 0o640


def test_what_lay_there_comes_back_with_its_mode_when_we_leave(root, me):
    (root / "etc/shop.conf").write_text("theirs\n")
    (root / "etc/shop.conf").chmod(0o604)
    install(root, me, fresh=True)
    install(root, me, content="ours again\n", expect=ledger(root)["files"]["/etc/shop.conf"]["digest"])
    files.write_bring_back("/etc/shop.conf", root=str(root))
    assert (root / "etc/shop.conf").read_text() == "theirs\n"
    assert (root / "etc/shop.conf").stat().st_mode & 0o777 == 0o604
    assert "/etc/shop.conf" not in ledger(root)["files"]


def test_where_nothing_lay_nothing_stays_not_even_the_folders_that_we_made(root, me):
    install(root, me, path="/etc/a/b/shop.conf")
    files.write_bring_back("/etc/a/b/shop.conf", root=str(root))
    files.write_forget_directories(["shop"], root=str(root))
    assert os.listdir(root / "etc") == []


def test_a_file_that_changed_since_the_plan_is_not_overwritten(root, me):
    (root / "etc/shop.conf").write_text("somebody was faster\n")
    with pytest.raises(agent.StepFailed, match="was changed while this was under way"):
        install(root, me)
    assert (root / "etc/shop.conf").read_text() == "somebody was faster\n"


def test_a_file_changed_by_hand_is_kept_when_it_is_overwritten_and_when_we_leave(root, me):
    install(root, me)
    (root / "etc/shop.conf").write_text("by hand\n")
    files.write_bring_back("/etc/shop.conf", root=str(root))
    assert (root / "root/nuages-changed-by-hand/etc/shop.conf").read_text() == "by hand\n"


def test_put_back_is_as_before_the_op_in_the_file_and_in_the_ledger(root, me):
    install(root, me, content="first\n")
    before = ledger(root)["files"]
    install(root, me, content="second\n", expect=before["/etc/shop.conf"]["digest"])
    files.write_put_back("/etc/shop.conf", root=str(root))
    assert (root / "etc/shop.conf").read_text() == "first\n"
    assert ledger(root)["files"] == before


def test_put_back_of_a_new_file_takes_it_away(root, me):
    install(root, me)
    files.write_put_back("/etc/shop.conf", root=str(root))
    files.write_put_back("/etc/shop.conf", root=str(root))  # a second time there is nothing to do
    assert not (root / "etc/shop.conf").exists()
    assert ledger(root)["files"] == {}


def test_a_file_for_once_is_left_as_it_lies(root, me):
    (root / "etc/key").write_text("the old key\n")
    install(root, me, path="/etc/key", content="a new key\n", once=True)
    assert (root / "etc/key").read_text() == "the old key\n"


def test_a_link_takes_the_place_of_another_and_gives_it_back(root):
    (root / "etc/site").symlink_to("theirs")
    files.write_link("/etc/site", "ours", whose="shop", root=str(root))
    assert os.readlink(root / "etc/site") == "ours"
    files.write_bring_back("/etc/site", root=str(root))
    assert os.readlink(root / "etc/site") == "theirs"


def test_a_folder_that_another_site_fills_goes_with_that_one(root, me):
    install(root, me, path="/etc/nuages/shop.conf")
    files.write_install("/etc/nuages/blog.conf", "x", whose="blog", root=str(root), **me)
    files.write_bring_back("/etc/nuages/shop.conf", root=str(root))
    units.write_forget("shop", root=str(root))
    files.write_bring_back("/etc/nuages/blog.conf", root=str(root))
    files.write_forget_directories(["blog", "*"], root=str(root))
    assert os.listdir(root / "etc") == []


def test_what_is_set_aside_comes_back(root):
    (root / "etc/default").write_text("packaged\n")
    files.write_set_aside("/etc/default", whose="*", root=str(root))
    assert not (root / "etc/default").exists()
    files.write_bring_back("/etc/default", root=str(root))
    assert (root / "etc/default").read_text() == "packaged\n"


def test_the_ledger_is_for_root_alone(root, me):
    install(root, me)
    assert (root / "var/lib/nuages/ledger.json").stat().st_mode & 0o777 == 0o600
    assert (root / "var/lib/nuages/undo").stat().st_mode & 0o777 == 0o700


def test_the_units_that_must_take_a_file_in_yet_are_remembered(root, me):
    install(root, me, pending=["nginx.service"])
    assert ledger(root)["pending"] == {"nginx.service": ["/etc/shop.conf"]}


def test_a_ledger_that_cannot_be_read_stops_everything(root):
    (root / "var/lib/nuages").mkdir(parents=True)
    (root / "var/lib/nuages/ledger.json").write_text("{half")
    with pytest.raises(agent.StepFailed) as error:
        ready.read_ready(root=str(root))
    assert "restore the ledger" in error.value.hint


def test_a_site_s_folder_goes_except_for_what_is_kept(root):
    for name in ("releases", "shared"):
        (root / "srv/shop" / name).mkdir(parents=True)
    units.write_empty("/srv/shop", keep=["shared"], root=str(root))
    assert os.listdir(root / "srv/shop") == ["shared"]
    units.write_empty("/srv/shop", root=str(root))
    assert os.listdir(root / "srv") == []


STATUS = """\
Package: perl-base
Essential: yes
Status: install ok installed
Version: 5

Package: nginx
Status: install ok installed

Package: gone
Status: deinstall ok config-files
"""


def test_packages_are_read_from_dpkg_s_own_file_essential_ones_too(root):
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    told = ready.read_ready(packages=["nginx", "perl-base", "gone", "never"], root=str(root))["packages"]
    assert told == {"nginx": True, "perl-base": True, "gone": False, "never": False}


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4001 1
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4002 1
   2: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4003 1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4004 1
"""


def test_listeners_are_told_by_program_and_those_of_every_server_left_out(root):
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/net/tcp").write_text(TCP)
    (root / "proc/net/tcp6").write_text(TCP6)
    for pid, name, inode in ((1, "apache2", 4001), (2, "postgres", 4002), (3, "exim4", 4004)):
        (root / f"proc/{pid}/fd").mkdir(parents=True)
        (root / f"proc/{pid}/comm").write_text(name + "\n")
        (root / f"proc/{pid}/fd/3").symlink_to(f"socket:[{inode}]")
    found = ready.read_ready(root=str(root))["occupied"]["listeners"]
    assert [(known["port"], known["program"], known["local"]) for known in found] == [
        (80, "apache2", False),
        (5432, "postgres", True),
    ]


def test_sites_of_others_are_seen_the_packaged_default_is_none(root):
    (root / "etc/nginx/sites-enabled").mkdir(parents=True)
    for name in ("default", "blog.conf"):
        (root / "etc/nginx/sites-enabled" / name).write_text("")
    assert ready.read_ready(root=str(root))["occupied"]["sites"] == ["/etc/nginx/sites-enabled/blog.conf"]


def test_what_the_host_was_is_remembered_once(root):
    ready.write_ledger("shop", [443, 80], occupied={"listeners": [], "sites": ["theirs"]}, root=str(root))
    ready.write_ledger("blog", [80], occupied={"listeners": ["ours"], "sites": []}, root=str(root))
    assert ledger(root)["occupied"]["sites"] == ["theirs"]
    assert ledger(root)["sites"]["shop"]["ports"] == [80, 443]


def test_ufw_and_drop_ins_of_sshd_are_read_from_their_files(root):
    (root / "etc/ufw").mkdir()
    (root / "etc/ssh").mkdir()
    (root / "etc/ufw/ufw.conf").write_text("ENABLED=yes\n")
    (root / "etc/ssh/sshd_config").write_text("Include /etc/ssh/sshd_config.d/*.conf\n")
    told = ready.read_base(root=str(root))
    assert told["ufw"]
    assert told["includes"]


def test_rules_and_refusing_policies_count_empty_tables_do_not():
    assert ready._is_rule("tcp dport 80 accept")
    assert not ready._is_rule("type filter hook input priority filter; policy accept;")
    assert not ready._is_rule("chain input {")


def test_a_confirmation_can_only_come_from_the_client():
    with pytest.raises(agent.StepFailed, match="only the client"):
        units.write_confirm()
