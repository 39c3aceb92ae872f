"""Files of a site's uploads, as its account: `media.py VERB WISH.json`; the answer is JSON on the last line. Python 3.9+.

list   {"root"}                         every regular file: path -> [size, mtime, mode]; links are not followed
digest {"root", "paths"}                sha256 of those
pack   {"root", "paths", "to"}          a tar of those
place  {"root", "store", "files": [[path, digest, mode, mtime]], "delete": [paths]}   from pieces named by their content
"""

import hashlib
import json
import os
import shutil
import sys
import tarfile


def walk(root):
    for folder, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.path.isfile(path):
                yield os.path.relpath(path, root), os.stat(path)


def listing(root):
    return {path: [info.st_size, int(info.st_mtime), info.st_mode & 0o777] for path, info in walk(root)}


def digest(root, paths):
    return {path: of_file(os.path.join(root, path)) for path in paths}


def of_file(path):
    seen = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            seen.update(chunk)
    return seen.hexdigest()


def pack(root, paths, to):
    with tarfile.open(to, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in paths:
            if os.path.isfile(os.path.join(root, path)):  # gone meanwhile: the next pull sees it
                tar.add(os.path.join(root, path), path, recursive=False)
    return {"bytes": os.path.getsize(to)}


def place(root, store, files, delete):
    for path, name, mode, mtime in files:
        target = inside(root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = target + ".nuages-new"
        shutil.copyfile(os.path.join(store, name[:2], name), partial)
        os.chmod(partial, mode)
        os.utime(partial, (mtime, mtime))
        os.replace(partial, target)
    for path in delete:
        os.unlink(inside(root, path))
        bare(root, os.path.dirname(inside(root, path)))
    return {"placed": len(files), "deleted": len(delete)}


def inside(root, path):
    target = os.path.normpath(os.path.join(root, path))
    if not target.startswith(os.path.normpath(root) + os.sep):
        raise ValueError("%s is not under %s" % (path, root))
    return target


def bare(root, folder):
    """Folders that nothing is in any more."""
    while folder != os.path.normpath(root):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)


VERBS = {"list": listing, "digest": digest, "pack": pack, "place": place}


def main():
    with open(sys.argv[2], encoding="utf-8") as file:
        wish = json.load(file)
    try:
        print(json.dumps(VERBS[sys.argv[1]](**wish)), flush=True)
    except (OSError, ValueError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
