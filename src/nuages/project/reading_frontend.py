"""Does the project have a front-end build whose output its static files need?"""

from __future__ import annotations

import json
import re
from typing import Any

from nuages.project.tree import Tree, is_aside, parent


LOCKS = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "bun.lockb": "bun",
    "bun.lock": "bun",
}
SCRIPTS = (
    "build:production",
    "build:prod",
    "build-production",
    "build-prod",
    "production",
    "prod",
    "build",
    "build:css",
    "build:tailwind",
    "compile",
    "dist",
    "bundle",
)
TOOLS = (
    "vite",
    "webpack",
    "@rspack/core",
    "rollup",
    "parcel",
    "esbuild",
    "gulp",
    "grunt",
    "tailwindcss",
    "sass",
    "mjml",
    "postcss-cli",
)
OUTPUT = re.compile(r"""(?:outDir|outdir|output\.path|path|dest|dir|file|--outdir|--outfile|-o|--output|--dist-dir|distDir)["']?\s*[:=(]?\s*(?:path\.(?:resolve|join)\()?(?:import\.meta\.dirname\s*,\s*|__dirname\s*,\s*)?["']?((?:\.{0,2}/)?[\w@.-]+(?:/[\w@.*-]+)*|(?:["'][\w./-]+["']\s*,?\s*)+)""")  # fmt: skip
CONFIGS = re.compile(
    r"(^|/)(vite|webpack|rollup|rspack|gulpfile|Gruntfile|esbuild|tailwind)[\w.-]*\.(js|mjs|cjs|ts|mts)$|(^|/)build\.(js|mjs)$"
)
USUAL = (
    "static/dist",
    "static/build",
    "static/bundles",
    "assets/dist",
    "frontend/dist",
    "dist",
    "build",
    "static/webpack_bundles",
    "static/css/dist",
)


def read_frontend(tree: Tree, manage: str) -> dict[str, Any]:
    """{} without one; else dir, tool, script, manager, lock, install, command, output, committed, needed.

    `needed` is None where the output can't be told from the files."""
    found = [one for path in tree.named("package.json") if (one := read_package(tree, path))]
    found.sort(key=lambda one: (not one["script"], one["dir"].count("/"), one["dir"]))
    return found[0] if found else {}


def read_package(tree: Tree, path: str) -> dict[str, Any]:
    if is_aside(path) or path.count("/") > 3:  # noqa: PLR2004
        return {}
    try:
        package = json.loads(tree.text(path))
        scripts, tools = (
            package.get("scripts") or {},
            {**(package.get("dependencies") or {}), **(package.get("devDependencies") or {})},
        )
        script = next((name for name in SCRIPTS if name in scripts), "") or next(
            (n for n in scripts if n.startswith("build")), ""
        )
    except (ValueError, AttributeError, TypeError):
        return {}
    tool = next((name for name in TOOLS if name in tools), "")
    folder = parent(path)
    bare = tool == "gulp" and not script and any(tree.has(join(folder, n)) for n in ("gulpfile.js", "gulpfile.mjs"))
    if not script and not bare:
        return {}
    lock = next((name for name in LOCKS if tree.has(join(folder, name)) or tree.has(name)), "")
    manager = LOCKS.get(lock, "npm")
    outputs = find_outputs(tree, folder, str(scripts.get(script, "")))
    committed = [o for o in outputs if o in tree.folders or tree.has(o)]
    return {
        "dir": folder,
        "tool": tool,
        "script": script,
        "manager": manager,
        "lock": lock,
        "install": install_command(manager, bool(lock)),
        "command": f"{manager} run {script}" if script else "npx gulp",
        "output": outputs,
        "committed": bool(outputs) and len(committed) == len(outputs),
        "needed": len(committed) < len(outputs) if outputs else None,
    }


def install_command(manager: str, locked: bool) -> str:
    return {
        "npm": "npm ci" if locked else "npm install",
        "yarn": "yarn install --frozen-lockfile",
        "pnpm": "pnpm install --frozen-lockfile",
        "bun": "bun install --frozen-lockfile",
    }[manager]


def find_outputs(tree: Tree, folder: str, script: str) -> list[str]:
    """Where the build writes: what its configuration says, else a usual place that a Python file or .gitignore names."""
    texts = [script] + [
        tree.text(p)
        for p in tree.paths
        if CONFIGS.search(p) and parent(p) in (folder, join(folder, "webpack"), join(folder, "config"))
    ]
    said = [clean(folder, match) for text in texts for match in OUTPUT.findall(text)]
    likely = [
        path
        for path in said
        if path and re.search(r"static|dist|build|bundle|assets|public", path) and "src" not in path.split("/")
    ]
    if likely:
        return list(dict.fromkeys(likely))[:3]
    ignored = tree.text(join(folder, ".gitignore")) + tree.text(".gitignore")
    return [join(folder, usual) for usual in USUAL if re.search(rf"(^|/){re.escape(usual)}/?$", ignored, re.MULTILINE)][:1]


def clean(folder: str, said: str) -> str:
    parts = [p.strip(" \"'") for p in re.split(r"[/,]", said.strip(" \"'"))]
    place = folder.split("/") if folder else []
    for part in parts:
        if part == "..":
            place = place[:-1]
        elif part not in ("", ".") and "*" not in part:
            place.append(part)
    return "/".join(place)


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
