"""python -m nuages_runtime.compress STATIC KEPT: .gz and .br beside each static file that shrinks.

Brotli at its best level takes longer than all of collectstatic, so what was compressed once is kept by its content:
copies under a plain and a hashed name, and files that a later release still has, are linked. What whitenoise would
write is written, since it is whitenoise that compresses.
"""

import hashlib
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor


SUFFIXES = (".gz", ".br")
UNUSED = 30 * 86400  # seconds until what no release asked for is forgotten
EVERY = 5  # seconds between two lines about how far it is


def compressor():
    from whitenoise.compress import Compressor

    return Compressor(quiet=True)


def by_content(static, wanted):
    found = {}
    for folder, _, names in os.walk(static):
        for name in names:
            path = os.path.join(folder, name)
            if wanted(name) and os.path.isfile(path):
                found.setdefault(digest(path), []).append(path)
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def compress(tool, content, paths, kept):
    """One content under all its names; complete in `kept` or not there at all."""
    held = os.path.join(kept, "br" if tool.use_brotli else "gz", content[:2], content)
    if not os.path.isdir(held):
        partial = "%s.%d" % (held, os.getpid())
        os.makedirs(partial, exist_ok=True)
        copy = os.path.join(partial, "file")
        shutil.copy2(paths[0], copy)
        tool.compress(copy)
        os.remove(copy)
        try:
            os.rename(partial, held)
        except OSError:  # another build was quicker
            shutil.rmtree(partial, ignore_errors=True)
    os.utime(held)
    for suffix in SUFFIXES:
        source = os.path.join(held, "file" + suffix)
        if os.path.exists(source):
            for path in paths:
                link(source, path + suffix)


def link(source, target):
    if os.path.lexists(target):
        os.remove(target)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def forget(kept, before):
    for folder, names, _ in os.walk(kept):
        if os.path.basename(os.path.dirname(folder)) in ("br", "gz"):
            for name in list(names):
                path = os.path.join(folder, name)
                if os.stat(path).st_mtime < before:
                    shutil.rmtree(path, ignore_errors=True)
            names[:] = []


def main(static, kept):
    tool = compressor()
    contents = by_content(static, tool.should_compress)
    told = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # zlib and brotli work without the interpreter's lock
        jobs = [pool.submit(compress, tool, content, paths, kept) for content, paths in contents.items()]
        for done, job in enumerate(jobs, 1):
            job.result()
            if time.monotonic() - told > EVERY:
                told = time.monotonic()
                print("compressed %d of %d" % (done, len(jobs)), flush=True)
    forget(kept, time.time() - UNUSED)


if __name__ == "__main__":
    main(*sys.argv[1:3])
