"""Taking photos in: only what is one, of sane size, drawn anew without place, camera and date.

Done before the transaction begins; the result is what `attach()` takes.
"""

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from flask import current_app
from PIL import Image, ImageOps
from werkzeug.datastructures import FileStorage

from app.foundation.errors import Refused
from app.foundation.language import _
from app.traits.attachments import store
from app.traits.attachments.names import clean_name

MOST = 10  # photos at once
PIXELS = 40_000_000  # of one that has to be unpacked whole; a JPEG is made smaller while it is read
JPEG_PIXELS = 80_000_000
LONGEST_SIDE = 2560
SMALL = 480
KINDS = {"JPEG": ("jpg", "image/jpeg"), "PNG": ("png", "image/png"), "WEBP": ("webp", "image/webp")}
DECODERS = ("PNG", "JPEG", "WEBP", "GIF")  # nothing else is ever asked to read a file from outside
ACCEPT = "image/png,image/jpeg,image/webp,image/gif"


@dataclass(frozen=True)
class Photo:
    """A photo that lies in the store already and waits for its row."""

    sha256: str
    name: str
    media_type: str
    size: int
    width: int
    height: int


def keep_photos(files: Iterable[FileStorage], *, field: str = "photos") -> list[Photo]:
    """Check, draw anew and store what somebody chose in a file input; Refused names the first that is no photo."""
    chosen = [file for file in files if file and file.filename]
    if len(chosen) > MOST:
        raise Refused(_("At most %(most)s photos at once.", most=MOST), field=field)
    return [_take(file, field) for file in chosen]


def _take(file: FileStorage, field: str) -> Photo:
    shown = clean_name(file.filename, "", otherwise=_("The file")).rstrip(".")
    most = current_app.config["LOOPWRIGHT"].upload_megabytes
    raw = file.stream.read(most * 1024 * 1024 + 1)
    if len(raw) > most * 1024 * 1024:
        raise Refused(_("“%(name)s” is larger than %(most)s MB.", name=shown, most=most), field=field)
    try:
        image, kind = _opened(raw)
    except _TooManyPixels:
        raise Refused(_("“%(name)s” has too many pixels.", name=shown), field=field) from None
    except Exception:  # decoders raise anything on a broken file, and each of it means the same to the sender
        raise Refused(
            _("“%(name)s” is not a photo we can read. PNG, JPEG, WebP and GIF work.", name=shown), field=field
        ) from None
    content = _encoded(image, kind)
    small = image.copy()
    small.thumbnail((SMALL, SMALL))
    extension, media_type = KINDS[kind]
    sha256 = store.put(content, _encoded(small, kind))
    return Photo(sha256, clean_name(file.filename, extension), media_type, len(content), image.width, image.height)


class _TooManyPixels(Exception):
    pass


def _opened(raw: bytes) -> tuple[Image.Image, str]:
    """The picture, upright, small enough, in plain colours, with nothing but pixels; and what to save it as."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            source = Image.open(io.BytesIO(raw), formats=DECODERS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _TooManyPixels from None
        kind = source.format or ""
        if source.width * source.height > (JPEG_PIXELS if kind == "JPEG" else PIXELS):
            raise _TooManyPixels
        if kind == "JPEG":
            source.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        source.load()
        upright = ImageOps.exif_transpose(source)
        has_alpha = kind != "JPEG" and (upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info)
        plain = upright.convert("RGBA" if has_alpha else "RGB")
        plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        clean = Image.new(plain.mode, plain.size)
        clean.paste(plain)
    return clean, "PNG" if kind == "GIF" else kind


def _encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    options = {"JPEG": {"quality": 86, "optimize": True}, "WEBP": {"quality": 86}, "PNG": {}}[kind]
    image.save(out, kind, **options)
    return out.getvalue()
