"""Uploaded files: some of them by their digest, and those of a backup put back among those that are there.

What writes into the site's folders runs as its account (this file goes to another Python on its standard input): links
that lie there lead where that account may go, and no further.
"""

import hashlib
import json
import os
import sys


SAMPLE = 100


def listed(root):
    """Relative paths and sizes of all regular files, in order."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield os.path.relpath(path, root), os.path.getsize(path)


def described(root):
    """How many, how large, and the digests of at most SAMPLE of them, spread over all."""
    files = list(listed(root)) if os.path.isdir(root) else []
    every = max(1, len(files) // SAMPLE)
    chosen = files[::every][:SAMPLE]
    return {
        "count": len(files),
        "bytes": sum(size for _path, size in files),
        "sample": {path: digest(os.path.join(root, path)) for path, _size in chosen},
    }


def digest(path):
    seen = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(1 << 20), b""):
                seen.update(chunk)
    except OSError:
        return ""
    return seen.hexdigest()


def differing(root, sample):
    """Those of the sample that are not there, or are others."""
    return sorted(path for path, wanted in sample.items() if wanted and digest(os.path.join(root, path)) != wanted)


def merge(source, target, kept):
    """Files of `source` take their place in `target`, one rename each. Those that differ and were there go to `kept`; what
    the backup does not have stays."""
    placed = replaced = 0
    os.umask(0o027)  # as the site's own processes have it: the proxy's group must get into new folders
    for path, _size in list(listed(source)):
        new, old, aside = (os.path.join(root, path) for root in (source, target, kept))
        os.makedirs(os.path.dirname(old), exist_ok=True)
        if os.path.lexists(old):
            if digest(old) == digest(new):
                continue
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            os.rename(old, aside)
            replaced += 1
        os.rename(new, old)
        placed += 1
    return {"placed": placed, "replaced": replaced}


def as_account(account, *words):
    from refusal import RefusedError, start, tail

    with open(os.path.abspath(__file__), encoding="utf-8") as file:
        program = file.read()
    child = start([sys.executable, "-I", "-S", "-", *words], account, stdin=-1, stdout=-1, stderr=-1)
    out, errors = child.communicate(program.encode())
    if child.returncode:
        raise RefusedError("the uploaded files could not be put back", tail(errors))
    return json.loads(out)


if __name__ == "__main__" and len(sys.argv) > 1:
    print(json.dumps({"merge": merge, "described": described}[sys.argv[1]](*sys.argv[2:])))
