"""Junk never gets past the door: bytes that are no text are refused, control characters are taken out, ids are bounded.

What a database or a header cannot hold would otherwise surface as our error. Forms clean their fields once more; this
layer is for everything that reads `request.args` and `request.form` directly.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter

from app.foundation.language import _

LARGEST_ID = 2**31 - 1
LARGEST_FORM = 4 * 1024 * 1024  # typed text without files
_GONE: dict[int, None] = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A, 0x0D})
_GONE |= dict.fromkeys(range(0xD800, 0xE000))


class BoundedInteger(IntegerConverter):
    """`<int:...>` in an address: what no id can be is simply not found."""

    def __init__(self, map: object, *args: int, max: int | None = LARGEST_ID, **kwargs: int) -> None:
        super().__init__(map, *args, max=LARGEST_ID if max is None else max, **kwargs)  # type: ignore[arg-type, misc]


def init_clean_input(app: Flask) -> None:
    app.url_map.converters["int"] = BoundedInteger
    app.before_request(clean_request)


def clean_request() -> None:
    """Refuse what is not UTF-8, take control characters out of the rest."""
    path = request.environ.get("PATH_INFO", "").encode("latin-1", "replace")
    _must_be_text(path)
    if any(byte < 0x20 or byte == 0x7F for byte in path):
        raise BadRequest(_("The address holds characters that no address has."))
    if query := request.query_string:
        _must_be_text(unquote_to_bytes(query))
        request.__dict__["args"] = _cleaned(request.args)
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    if request.mimetype == "application/x-www-form-urlencoded":
        if (request.content_length or 0) > LARGEST_FORM:
            raise RequestEntityTooLarge
        _must_be_text(unquote_to_bytes(request.get_data(cache=True)))
    request.__dict__["form"] = _cleaned(request.form)


def clean_text(text: str) -> str:
    """`text` without NUL, other control characters and lone surrogates; tabs and line ends stay."""
    return text.translate(_GONE)


def _cleaned(values: Iterable[object]) -> ImmutableMultiDict[str, str]:
    assert isinstance(values, ImmutableMultiDict)
    return ImmutableMultiDict([(clean_text(k), clean_text(v)) for k, v in values.items(multi=True)])


def _must_be_text(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(_("The request holds bytes that are no UTF-8 text.")) from None
