"""Photos: what is taken in, what becomes of it, and who may look at it."""

import io
import os
import time
import tracemalloc
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from sqlalchemy import select, update
from werkzeug.datastructures import FileStorage

from app.foundation.audit import audited_dml
from app.foundation.db import db, transaction
from app.foundation.errors import NotFound, Refused
from app.people.models import Person
from app.traits.attachments import store
from app.traits.attachments.actions import Photo, attach, keep_photos, sweep
from app.traits.attachments.models import Attachment, StoredFile
from app.traits.attachments.names import clean_name
from app.traits.chatter.actions import post_note, receive_message
from app.traits.record import Record
from tests.factories.people import make_customer
from tests.factories.tickets import make_ticket
from tests.visitors import Visitor

pytestmark = pytest.mark.usefixtures("database")
Browser = Callable[[Person], Visitor]
GPS = 0x8825


def picture(kind: str = "JPEG", size: tuple[int, int] = (60, 40), *, exif: bool = False, colour: str = "red") -> bytes:
    out = io.BytesIO()
    options: dict[str, object] = {}
    if exif:
        data = Image.Exif()
        data[0x0112] = 6  # lies on its side
        data[0x010F] = "canary-camera"
        data.get_ifd(GPS)[1] = "N"
        data.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
        options["exif"] = data
    Image.new("RGB", size, colour).save(out, kind, **options)
    return out.getvalue()


def upload(content: bytes, name: str = "rack.jpg") -> FileStorage:
    return FileStorage(io.BytesIO(content), filename=name)


def one(content: bytes, name: str = "rack.jpg") -> Photo:
    (photo,) = keep_photos([upload(content, name)])
    return photo


def stored(photo: Photo) -> Image.Image:
    return Image.open(io.BytesIO(store.path(photo.sha256).read_bytes()))


def small(photo: Photo) -> Image.Image:
    return Image.open(io.BytesIO(store.thumbnail_path(photo.sha256).read_bytes()))


def test_a_photo_is_drawn_anew_upright_and_without_its_place() -> None:
    raw = picture(exif=True)
    assert b"canary-camera" in raw
    photo = one(raw)
    kept = store.path(photo.sha256).read_bytes()
    assert (photo.width, photo.height) == (40, 60)
    assert b"canary-camera" not in kept
    assert not stored(photo).getexif()
    assert stored(photo).size == (40, 60)
    assert not small(photo).getexif()


@pytest.mark.parametrize(
    ("kind", "media_type", "extension"),
    [
        ("PNG", "image/png", "png"),
        ("JPEG", "image/jpeg", "jpg"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/png", "png"),
    ],
)
def test_four_kinds_by_content_whatever_the_name_says(kind: str, media_type: str, extension: str) -> None:
    photo = one(picture(kind), "evil.html")
    assert (photo.media_type, photo.name) == (media_type, f"evil.{extension}")


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_words_inside_the_file_do_not_stay(kind: str) -> None:
    photo = one(picture(kind, exif=True), "x.png")
    assert b"canary-camera" not in store.path(photo.sha256).read_bytes()


def test_large_photos_become_smaller() -> None:
    photo = one(picture(size=(4000, 1000)))
    assert (photo.width, photo.height) == (2560, 640)
    assert max(small(photo).size) == 480


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><script>alert(1)</script></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"%!PS-Adobe-3.0\n",
        b"8BPS" + b"\0" * 60,
        b"GIF89a<script>",
        picture()[:200],
        picture("BMP"),
        picture("TIFF"),
    ],
)
def test_what_is_no_photo_is_refused_whatever_its_name(content: bytes) -> None:
    with pytest.raises(Refused, match="“rack” is not a photo") as no:
        one(content, "rack.png")
    assert no.value.field == "photos"
    assert no.value.status == 422


def bomb(side: int) -> bytes:
    """A PNG of `side` x `side` white pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + b"\x01\0\0\0\0"
    packer, rows = zlib.compressobj(9), b""
    for _row in range(side):
        rows += packer.compress(b"\0" + b"\xff" * ((side + 7) // 8))
    body = rows + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [7000, 10_000, 30_000])
def test_a_pixel_bomb_is_refused_without_unpacking_it(side: int) -> None:
    content = bomb(side)
    tracemalloc.start()
    with pytest.raises(Refused, match="too many pixels"):
        one(content)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


def test_too_large_and_too_many_are_refused(app: Flask) -> None:
    limit = app.config["LOOPWRIGHT"].upload_megabytes * 1024 * 1024
    with pytest.raises(Refused, match="larger than"):
        one(b"x" * (limit + 1))
    with pytest.raises(Refused, match="At most 10"):
        keep_photos([upload(picture()) for _ in range(11)])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\photos\\rack.JPG", "rack.jpg"),
        ("\u200b.htaccess", "photo.jpg"),
        ("rack\u202egpj.exe", "rack gpj.jpg"),
        ("a\x00b\r\nc.png", "a b c.jpg"),
        ("…", "photo.jpg"),
        ("", "photo.jpg"),
        (None, "photo.jpg"),
        ("Flur, Foto (2).jpeg", "Flur Foto (2).jpg"),
        ("衣帽架.png", "衣帽架.jpg"),
        ("rack.php.jpg", "rack php.jpg"),
        ("x" * 300 + ".png", "x" * 80 + ".jpg"),
    ],
)
def test_names_are_made_harmless(given: str | None, expected: str) -> None:
    assert clean_name(given, "jpg") == expected


def test_no_character_of_unicode_gets_out_of_the_name() -> None:
    characters = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) != "Cs"]
    for start in range(0, len(characters), 40):
        name = clean_name("a" + "".join(characters[start : start + 40]) + ".png", "jpg")
        assert name.endswith(".jpg")
        assert {unicodedata.category(c)[0] for c in name} <= set("LNMPZ"), start
        assert not {"/", "\\", ":", "*", "?", "<", ">", "|", '"', "\u2028", "\u202e"} & set(name), start
        assert "." not in name.removesuffix(".jpg")


def test_the_same_content_is_kept_once(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    photos = keep_photos([upload(picture()), upload(picture(), "again.jpg")])
    with transaction(by=marc, source="test"):
        attach(ticket, photos, by=marc)
    assert photos[0].sha256 == photos[1].sha256
    assert len(db.session.scalars(select(StoredFile)).all()) == 1
    assert [a.name for a in db.session.scalars(select(Attachment).order_by(Attachment.id))] == ["rack.jpg", "again.jpg"]


def test_contents_without_a_row_are_swept_but_not_at_once(marc: Person) -> None:
    ticket = make_ticket(by=marc)
    kept, orphan = one(picture(colour="blue")), one(picture(colour="green"))
    with transaction(by=marc, source="test"):
        attach(ticket, [kept], by=marc)
    sweep()
    assert store.path(orphan.sha256).exists()
    yesterday = time.time() - 100_000
    for photo in (kept, orphan):
        os.utime(store.path(photo.sha256), (yesterday, yesterday))
    assert sweep() == 1
    assert store.path(kept.sha256).exists()
    assert not store.path(orphan.sha256).exists()
    assert not store.thumbnail_path(orphan.sha256).exists()


def test_only_a_hash_makes_a_path() -> None:
    for poison in ("../../../etc/passwd", "a" * 63, "A" * 64, "", "/" + "a" * 63):
        with pytest.raises(NotFound):
            store.path(poison)


def test_no_room_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture(colour="purple")
    monkeypatch.setattr(store, "FLOOR", 1 << 60)
    with pytest.raises(Refused) as no:
        one(content)
    assert no.value.status == 507


def note_with_photo(record: Record, by: Person, name: str = "rack.jpg") -> Attachment:
    photos = keep_photos([upload(picture(), name)])
    with transaction(by=by, source="test"):
        entry = post_note(record, "look", by=by, photos=photos)
    return db.session.scalars(select(Attachment).where(Attachment.entry_id == entry.id)).one()


def message_with_photo(record: Record, by: Person) -> Attachment:
    photos = keep_photos([upload(picture(), "hall floor.jpg")])
    with transaction(by=by, source="test"):
        entry = receive_message(record, "look", by=by, via="portal", photos=photos)
    return db.session.scalars(select(Attachment).where(Attachment.entry_id == entry.id)).one()


def test_photos_are_served_with_careful_headers(browser: Browser, marc: Person) -> None:
    file = note_with_photo(make_ticket(by=marc), marc, "Flur ä.jpg")
    for path in (f"/attachments/{file.id}/Flur%20%C3%A4.jpg", f"/attachments/{file.id}/small/Flur%20%C3%A4.jpg"):
        for answer in (browser(marc).get(path, buffered=True), browser(marc).client.head(path, buffered=True)):
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''Flur%20%C3%A4.jpg"
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "private, no-store"
            assert "ETag" not in answer.headers


def test_a_part_of_a_photo_is_guarded_like_the_whole(browser: Browser, marc: Person) -> None:
    file = note_with_photo(make_ticket(by=marc), marc)
    part = browser(marc).get(f"/attachments/{file.id}/{file.name}", headers={"Range": "bytes=0-9"}, buffered=True)
    assert (part.status_code, len(part.data)) == (206, 10)
    assert part.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_customers_see_photos_of_public_messages_on_their_own_tickets_only(browser: Browser, marc: Person) -> None:
    abigail, stranger = make_customer(), make_customer("Paul Brandt")
    ticket = make_ticket(by=marc, contact_id=abigail.id)
    public, internal = message_with_photo(ticket, abigail), note_with_photo(ticket, marc)
    for small in ("", "small/"):
        seen = f"/attachments/{public.id}/{small}hall%20floor.jpg"
        hidden = f"/attachments/{internal.id}/{small}rack.jpg"
        assert browser(abigail).get(seen, buffered=True).status_code == 200
        assert browser(stranger).get(seen, buffered=True).status_code == 404
        assert browser(abigail).get(hidden, buffered=True).status_code == 404
        assert browser(marc).get(hidden, buffered=True).status_code == 200


def test_a_wrong_name_or_a_lost_file_is_not_there(browser: Browser, marc: Person) -> None:
    file = note_with_photo(make_ticket(by=marc), marc)
    visitor = browser(marc)
    assert visitor.get(f"/attachments/{file.id}/other.jpg", buffered=True).status_code == 404
    assert visitor.get(f"/attachments/{file.id + 999}/rack.jpg", buffered=True).status_code == 404
    Path(store.path(file.sha256)).unlink()
    assert visitor.get(f"/attachments/{file.id}/rack.jpg", buffered=True).status_code == 404


def test_photos_go_with_a_note_in_the_browser(browser: Browser, marc: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(marc)
    form = {"body": "", "kind": "note", "photos": (io.BytesIO(picture()), "rack.jpg")}
    answer = visitor.post(f"/tickets/{ticket.number}/entries", form, content_type="multipart/form-data")
    assert answer.status_code == 303
    page = visitor.get(f"/tickets/{ticket.number}").text
    file = db.session.scalars(select(Attachment)).one()
    assert f'src="/attachments/{file.id}/small/rack.jpg"' in page
    assert not file.is_public


def test_a_broken_photo_keeps_what_was_typed(browser: Browser, marc: Person) -> None:
    ticket, visitor = make_ticket(by=marc), browser(marc)
    form = {"body": "see the photo", "kind": "note", "photos": (io.BytesIO(b"<html>"), "rack.png")}
    answer = visitor.post(f"/tickets/{ticket.number}/entries", form, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "see the photo" in answer.text
    assert "is not a photo we can read" in answer.text
    assert db.session.scalar(select(Attachment)) is None


def test_a_poisoned_row_is_not_there(browser: Browser, marc: Person) -> None:
    file = note_with_photo(make_ticket(by=marc), marc)
    with transaction(by=None, source="test") as tx:
        tx.session.add(StoredFile(sha256="../../x", size=1, media_type="image/png"))
        tx.session.flush()
        statement = update(Attachment.__table__).where(Attachment.__table__.c.id == file.id).values(sha256="../../x")  # type: ignore[arg-type]
        audited_dml(statement, "attachment", file.id, {"sha256": (file.sha256, "../../x")})
    assert browser(marc).get(f"/attachments/{file.id}/rack.jpg", buffered=True).status_code == 404
