"""Static files under the hash of their content, so that they are kept for ever and relative imports just work.

`/static/<build-hash>/css/app.css` is put together once at start from the `@import`s of `static/css/app.css`.
"""

import gzip
import hashlib
import os
import re
from mimetypes import guess_type
from pathlib import Path

from flask import Flask, Response, abort, request, send_from_directory

from app.foundation.permissions import PUBLIC, needs

FOREVER = "public, max-age=31536000, immutable"
_IMPORT = re.compile(r'@import url\("([^"]+)"\)(?: layer\(([\w-]+)\))?;')


def init_assets(app: Flask, folder: Path) -> None:
    """Serve `folder`; templates write `{{ asset("css/app.css") }}`."""
    build = build_hash(folder)
    sheet = concatenate(folder / "css" / "app.css").encode() if (folder / "css" / "app.css").exists() else b""
    packed = gzip.compress(sheet, 9, mtime=0)

    def asset(path: str) -> str:
        return f"/static/{build}/{path}"

    @app.get("/static/<build_id>/<path:path>", endpoint="static")
    @needs(PUBLIC)
    def static_file(build_id: str, path: str) -> Response:
        if path == "css/app.css":
            zipped = "gzip" in request.headers.get("Accept-Encoding", "")
            answer = Response(packed if zipped else sheet, mimetype="text/css")
            if zipped:
                answer.headers["Content-Encoding"] = "gzip"
            answer.headers["Vary"] = "Accept-Encoding"
        else:
            if not (folder / path).is_file():
                abort(404)
            answer = send_from_directory(folder, path, mimetype=guess_type(path)[0], conditional=True)
        answer.headers["Cache-Control"] = FOREVER if build_id == build else "no-cache"
        return answer

    app.config["BUILD"] = build
    app.jinja_env.globals["asset"] = asset


def build_hash(folder: Path) -> str:
    """Twelve hex digits over every path and byte below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def concatenate(entry: Path) -> str:
    """A style sheet with its imports put in place, each inside its layer; urls stay relative to the entry."""

    def inline(match: re.Match[str], base: Path) -> str:
        path = (base / match[1]).resolve()
        text = re.sub(
            r'(?<!@import )url\("(?!data:|#)([^"]+)"\)',
            lambda m: f'url("{_relative((path.parent / m[1]).resolve(), entry.parent)}")',
            path.read_text(),
        )
        text = _IMPORT.sub(lambda m: inline(m, path.parent), text)
        return f"@layer {match[2]} {{\n{text}\n}}" if match[2] else text

    return _IMPORT.sub(lambda m: inline(m, entry.parent), entry.read_text())


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()
