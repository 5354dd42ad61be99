"""Compressed answers: zstd where the browser takes it, else gzip; text only, and only when it pays.

Compressing pages that echo what people type is safe here because nothing secret on them is the same twice: the CSRF
token is masked anew for every answer.
"""

import sys
import zlib
from collections.abc import Callable

from flask import Flask, Response, request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SMALLEST = 500  # bytes; below it the header costs more than the text saves
LARGEST = 8 * 1024 * 1024
WHOLE = frozenset({200, 201, 400, 403, 404, 409, 422})
TEXTS = frozenset({"text/html", "text/css", "text/plain", "text/csv", "text/javascript", "application/javascript",
                   "application/json", "image/svg+xml"})  # fmt: skip


def _zstd(data: bytes) -> bytes:
    return zstd.compress(data, 3)


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(5, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


CODINGS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (("zstd", _zstd), ("gzip", _gzip))


def init_compression(app: Flask) -> None:
    app.after_request(compressed)


def compressed(response: Response) -> Response:
    """The same answer in the best coding both sides know."""
    if response.mimetype not in TEXTS or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    size = response.headers.get("Content-Length", type=int)
    if response.status_code not in WHOLE or size is None or not SMALLEST <= size <= LARGEST:
        return response
    accepted = request.accept_encodings
    for name, pack in CODINGS:
        if accepted[name] > 0:
            response.direct_passthrough = False  # a file is read whole here; LARGEST keeps it small
            response.set_data(pack(response.get_data()))
            response.headers["Content-Encoding"] = name
            if etag := response.get_etag()[0]:
                response.set_etag(f"{etag}-{name}", weak=True)
            break
    return response
