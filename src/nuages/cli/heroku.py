"""What Heroku's users type: the same verb in our words, or why there is none."""

from __future__ import annotations

import click


WORDS = {
    "addons:attach": "?nuages config set DATABASE_URL=... names a service elsewhere",
    "addons:detach": "?nuages config unset takes the variable away",
    "addons:docs": "?each has its page: docs/components",
    "addons:services": "addons plans",
    "apps:create": "create",
    "apps:info": "info",
    "apps:open": "open",
    "apps:destroy": "destroy",
    "apps:rename": "?change `name` in nuages.toml; a site that is live already is destroyed and deployed anew under another name",
    "apps:errors": "errors",
    "auth:login": "?there is no account: whoever may log in to the server over SSH may deploy",
    "auth:logout": "auth:login",
    "auth:whoami": "auth:login",
    "buildpacks": "?none is needed: Python, packages and a front end are found in the project; `nuages inspect` shows how",
    "certs:auto": "certs list",
    "certs:info": "certs list",
    "container": "?no container is built: a release is the project's files and a virtual environment",
    "container:push": "container",
    "container:release": "container",
    "console": "shell",
    "domains:wait": "domains list",
    "drains": "?logs lie on the server as plain files, and in its journal; any shipper reads them there",
    "dyno:kill": "ps stop",
    "dyno:restart": "ps restart",
    "dyno:resize": "ps:resize",
    "dyno:scale": "ps scale",
    "dyno:stop": "ps stop",
    "features": "?there is nothing to switch on",
    "help": "--help",
    "keys": "access",
    "keys:add": "access add",
    "keys:remove": "access remove",
    "labs": "features",
    "local": "?that is Django's own job: python manage.py runserver; as in production: nuages up",
    "local:run": "local",
    "local:start": "local",
    "login": "auth:login",
    "logout": "auth:login",
    "members": "access",
    "members:add": "access add",
    "migrate": "?migrations run with every deploy; by hand: nuages manage migrate",
    "pg": "addons info database",
    "pg:backups": "db list",
    "pg:backups:capture": "db backup",
    "pg:backups:restore": "db restore",
    "pg:info": "addons info database",
    "pg:psql": "dbshell",
    "pg:pull": "db pull",
    "pg:push": "db push",
    "pg:reset": "?nuages manage flush empties it; `nuages db restore` brings another one",
    "pg:upgrade": "addons upgrade postgresql",
    "pipelines": "?environments are tables of nuages.toml: [env.staging]; `nuages promote` brings a release over",
    "pipelines:promote": "promote",
    "plugins": "?there are none",
    "ps:exec": "run bash",
    "ps:resize": "?the size is the server's: memory = \"800M\" under [serve] bounds the site, `nuages ps:scale` says how many",
    "ps:type": "ps:resize",
    "ps:wait": "?a deploy ends when the new release serves: there is nothing to wait for",
    "psql": "dbshell",
    "redis": "addons info cache",
    "redis:cli": "addons open cache",
    "redis:info": "addons info cache",
    "regions": "?the region is where your server stands",
    "run:detached": "?what outlives this terminal is a process in the Procfile, a job under [[cron]] in nuages.toml, or `nuages run` in tmux",
    "run:inside": "run",
    "sites": "apps",
    "stack": "?the server's own system; `nuages info` names it",
    "teams": "access",
    "version": "--version",
    "webhooks": "?[notify] in nuages.toml tells a webhook of each deploy",
    "whoami": "auth:login",
}  # fmt: skip


def in_our_words(args: list[str]) -> list[str]:
    """The words of a verb of ours that stand for Heroku's. Raises UsageError where there is no such thing here."""
    told = WORDS.get(args[0])
    while told in WORDS:
        told = WORDS[told]
    if told is None:
        verb, colon, sub = args[0].partition(":")
        return [verb, *sub.split(":"), *args[1:]] if colon else args  # maintenance:on
    if told.startswith("?"):
        raise click.UsageError(f"there is no {args[0]} here: {told[1:]}")
    return [*told.split(), *args[1:]]
