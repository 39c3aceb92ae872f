"""From a bare Debian 13 to the library over HTTPS with pyinfra: the same things as the playbook and as `nuages deploy`.

Data, given by the command line: site, domain, project (a git checkout), templates, tls (a folder), secret_key,
requirements (a lock file), pip_cache.
"""

import hashlib
import subprocess
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import apt, files, pip, postgresql, server, systemd


site, domain = host.data.site, host.data.domain
templates, tls = Path(host.data.templates), Path(host.data.tls)
home = f"/srv/{site}"
release = subprocess.check_output(("git", "-C", host.data.project, "rev-parse", "--short=12", "HEAD"), text=True).strip()
here = f"{home}/releases/{release}"
venv = f"{home}/venvs/{hashlib.sha1(Path(host.data.requirements).read_bytes()).hexdigest()[:12]}"
archive = Path(host.data.project).parent / f"{site}-{release}.tar.gz"
if not archive.exists():
    subprocess.run(("git", "-C", host.data.project, "archive", "--format=tar.gz", "-o", str(archive), "HEAD"), check=True)

COMPRESS = (
    r"""find . -regex '.*\.\(css\|js\|svg\)' ! -name '*.gz' """
    r"""-exec sh -c '[ "$1.gz" -nt "$1" ] || gzip -9kf "$1"' sh {} ';'"""
)


def put(name, source, dest, mode="644", **more):
    return files.put(name=name, src=str(templates / source), dest=dest, mode=mode, **more)


def template(name, source, dest, mode="644"):
    values = {"site": site, "domain": domain, "secret_key": host.data.secret_key}
    return files.template(name=name, src=str(templates / source), dest=dest, mode=mode, **values)


# --- the host --------------------------------------------------------------------------------------------
apt.packages(
    name="Packages",
    packages=[
        "nginx",
        "libnginx-mod-http-brotli-filter",
        "libnginx-mod-http-brotli-static",
        "postgresql",
        "valkey-server",
        "nftables",
        "unattended-upgrades",
        "systemd-timesyncd",
        "logrotate",
        "python3-venv",
        "curl",
    ],
    update=True,
    cache_time=86400,
    no_recommends=True,
)
put("Security updates", "auto-upgrades", "/etc/apt/apt.conf.d/52site")
rules = put("Firewall rules", "nftables.conf", "/etc/nftables.conf", "755")
systemd.service(name="Firewall", service="nftables", running=True, enabled=True)
systemd.service(name="Load firewall", service="nftables", reloaded=True, _if=rules.did_change)
logins = put("Logins by key only", "sshd-hardening.conf", "/etc/ssh/sshd_config.d/10-site.conf")
systemd.service(name="Reload ssh", service="ssh", reloaded=True, _if=logins.did_change)
limits = put("Limits of the kernel", "sysctl.conf", "/etc/sysctl.d/60-site.conf")
server.shell(name="Apply sysctl", commands=["sysctl -p /etc/sysctl.d/60-site.conf"], _if=limits.did_change)
files.directory(name="A folder for the journal's settings", path="/etc/systemd/journald.conf.d")
journal = put("The journal's size", "journald.conf", "/etc/systemd/journald.conf.d/60-site.conf")
systemd.service(name="Restart journald", service="systemd-journald", restarted=True, _if=journal.did_change)
systemd.service(name="Time", service="systemd-timesyncd", enabled=True, running=None)
for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
    systemd.service(name=f"Update timer {timer}", service=timer, enabled=True, running=True)

# --- the site's account and folders ----------------------------------------------------------------------
server.user(name="Account", user=site, system=True, shell="/usr/sbin/nologin", home=home, create_home=False, ensure_home=False)
for path, group, mode in (
    (home, "root", "751"),
    (f"{home}/releases", site, "750"),
    (f"{home}/venvs", site, "750"),
    (f"{home}/shared", "root", "751"),
    (f"{home}/shared/static", "root", "755"),
):
    files.directory(name=f"Folder {path}", path=path, user="root", group=group, mode=mode)
files.directory(name="Folder of uploads", path=f"{home}/shared/media", user=site, group="www-data", mode="2750")

# --- the database ----------------------------------------------------------------------------------------
tuned = put("PostgreSQL tuned", "postgresql.conf", "/etc/postgresql/17/main/conf.d/site.conf")
systemd.service(name="PostgreSQL", service="postgresql", running=True, enabled=True)
systemd.service(name="Restart postgresql", service="postgresql", restarted=True, _if=tuned.did_change)
postgresql.role(name="Role", role=site, login=True, _su_user="postgres")
postgresql.database(name="Database", database=site, owner=site, _su_user="postgres")

# --- the cache -------------------------------------------------------------------------------------------
systemd.service(name="No cache on a port", service="valkey-server", running=False, enabled=False)
cache = template("Cache", "valkey.conf.j2", f"/etc/{site}-valkey.conf")
unit = template("Unit of the cache", "valkey.service.j2", f"/etc/systemd/system/{site}-valkey.service")
systemd.daemon_reload(name="Reload systemd", _if=unit.did_change)
systemd.service(name="Cache runs", service=f"{site}-valkey", running=True, enabled=True)
systemd.service(name="Restart cache", service=f"{site}-valkey", restarted=True, _if=cache.did_change)

# --- the release -----------------------------------------------------------------------------------------
template("Environment of the site", "env.j2", f"/etc/{site}.env", "600")
is_new = host.get_fact(File, path=f"{here}/manage.py") is None
files.directory(name="Folder of the release", path=here, user="root", group=site, mode="750")
if is_new:
    files.put(name="Archive of the release", src=str(archive), dest=f"/tmp/{release}.tar.gz", mode="600")
    server.shell(
        name="Release",
        commands=[f"tar -xzf /tmp/{release}.tar.gz -C {here} && chown -R root:{site} {here} && rm /tmp/{release}.tar.gz"],
    )
for name in ("production.py", "production_wsgi.py"):
    files.put(name=f"Settings {name}", src=str(templates / name), dest=f"{here}/{name}", user="root", group=site, mode="640")
files.put(name="Lock file", src=host.data.requirements, dest=f"{here}/requirements.lock", user="root", group=site, mode="640")
pip.venv(name="Python environment", path=venv, python="/usr/bin/python3")
pip.packages(
    name="Packages of the environment",
    requirements=f"{here}/requirements.lock",
    virtualenv=venv,
    present=True,
    _env={"PIP_CACHE_DIR": host.data.pip_cache, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    _if=lambda: is_new,
)
files.link(name="Link to the environment", path=f"{here}/venv", target=venv)
if is_new:
    given = {"DJANGO_SETTINGS_MODULE": "production", "SECRET_KEY": host.data.secret_key, "ALLOWED_HOST": domain, "SITE": site}
    server.shell(
        name="Static files",
        commands=[f"{venv}/bin/python manage.py collectstatic --noinput --verbosity 0"],
        _chdir=here,
        _env=given,
    )
    server.shell(
        name="Compressed beside them",
        commands=[COMPRESS],
        _chdir=f"{home}/shared/static",
    )
    server.shell(
        name="Migrations",
        commands=[f"{venv}/bin/python manage.py migrate --noinput --verbosity 0"],
        _chdir=here,
        _env=given,
        _su_user=site,
        _su_shell="/bin/sh",
    )

# --- units and the proxy ---------------------------------------------------------------------------------
web = template("Unit of the site", "web@.service.j2", f"/etc/systemd/system/{site}@.service")
systemd.daemon_reload(name="Reload systemd for the site", _if=web.did_change)
template("Switch", "switch.sh.j2", f"/usr/local/sbin/{site}-switch", "755")
files.directory(name="Folder of the certificate", path=f"/etc/ssl/{site}", mode="700")
changes = [
    files.put(name=f"Certificate {name}", src=str(tls / name), dest=f"/etc/ssl/{site}/{name}", mode="600")
    for name in ("fullchain.pem", "privkey.pem")
]
changes += [
    put("Limits of nginx", "nginx-tuning.conf", "/etc/nginx/modules-enabled/90-site.conf"),
    files.link(name="No default site", path="/etc/nginx/sites-enabled/default", present=False),
    template("The site in nginx", "nginx-site.conf.j2", f"/etc/nginx/sites-available/{site}.conf"),
    files.link(
        name="The site switched on in nginx",
        path=f"/etc/nginx/sites-enabled/{site}.conf",
        target=f"/etc/nginx/sites-available/{site}.conf",
    ),
]
systemd.service(name="nginx", service="nginx", running=True, enabled=True)
systemd.service(name="Reload nginx", service="nginx", reloaded=True, _if=lambda: any(change.did_change() for change in changes))
if is_new:
    server.shell(name="Traffic to the release", commands=[f"/usr/local/sbin/{site}-switch {release}"])
