"""Where file contents lie: `DATA_DIR/files/ab/<sha256>`, written once, complete or not there, before the commit."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from flask import current_app

from app.foundation.errors import NotFound, Refused
from app.foundation.language import _

FLOOR = 200 * 1024 * 1024  # so much room always stays for the database
THUMBNAIL = ".small"
_HASH = re.compile(r"[0-9a-f]{64}")


class NoRoom(Refused):
    """The disk is nearly full: what is typed is kept, the file is not taken."""

    status = 507


def put(content: bytes, thumbnail: bytes) -> str:
    """Keep `content` with its thumbnail; the answer is its SHA-256. The same content again costs nothing."""
    sha256 = hashlib.sha256(content).hexdigest()
    if shutil.disk_usage(current_app.config["LOOPWRIGHT"].data_dir).free < FLOOR + len(content):
        raise NoRoom(_("There is no room left for files. What you typed is kept; send it without the photo."))
    target = path(sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target.with_suffix(THUMBNAIL), thumbnail)
    _write(target, content)
    return sha256


def path(sha256: str) -> Path:
    """Where a content lies. What comes out of the database is checked again: only a hash makes a path."""
    if not _HASH.fullmatch(sha256):
        current_app.logger.error("a stored file has a name that is no hash", extra={"stored_name": sha256[:80]})
        raise NotFound("")
    return folder() / sha256[:2] / sha256


def thumbnail_path(sha256: str) -> Path:
    return path(sha256).with_suffix(THUMBNAIL)


def folder() -> Path:
    return Path(current_app.config["LOOPWRIGHT"].data_dir) / "files"


def all_hashes(*, older_than_seconds: float = 0) -> Iterator[str]:
    """Every content that lies here, leaving out what was written just now: its row may not be committed yet."""
    limit = time.time() - older_than_seconds
    for found in sorted(folder().glob("[0-9a-f][0-9a-f]/*")):
        if _HASH.fullmatch(found.name) and found.stat().st_mtime < limit:
            yield found.name


def drop(hashes: Iterable[str]) -> int:
    """Remove contents that nothing refers to."""
    count = 0
    for sha256 in hashes:
        thumbnail_path(sha256).unlink(missing_ok=True)
        path(sha256).unlink(missing_ok=True)
        count += 1
    return count


def _write(target: Path, content: bytes) -> None:
    if target.exists():
        os.utime(target)  # young again, so that the sweeper leaves it until the commit
        return
    with NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(target)
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
