"""Hanging photos on a record."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.foundation.db import current_transaction, db
from app.foundation.outbox import Claimed, timer
from app.people.models import Person
from app.traits.attachments import store
from app.traits.attachments.models import Attachment, StoredFile
from app.traits.attachments.photos import Photo, keep_photos
from app.traits.record import Record

__all__ = ["Photo", "attach", "keep_photos", "sweep"]
KEPT = timedelta(days=1)


def attach(
    record: Record,
    photos: Sequence[Photo],
    *,
    by: Person | None,
    entry_id: int | None = None,
    is_public: bool = False,
) -> list[Attachment]:
    """Hang what `keep_photos()` took in on `record`. `is_public`: the record's customer sees it too."""
    made = []
    for photo in photos:
        _keep_row(photo)
        attachment = Attachment(
            record_id=record.id,
            entry_id=entry_id,
            sha256=photo.sha256,
            name=photo.name,
            media_type=photo.media_type,
            size=photo.size,
            width=photo.width,
            height=photo.height,
            is_public=is_public,
            by_id=by.id if by else None,
            at=current_transaction().at,
        )
        db.session.add(attachment)
        made.append(attachment)
    db.session.flush()
    return made


def _keep_row(photo: Photo) -> None:
    """The row of a content that may be there already, perhaps since a moment ago."""
    if db.session.get(StoredFile, photo.sha256) is not None:
        return
    try:
        with db.session.begin_nested():
            db.session.add(StoredFile(sha256=photo.sha256, size=photo.size, media_type=photo.media_type))
    except IntegrityError:
        db.session.expire_all()


@timer("sweep_files", every=timedelta(hours=6))
def _sweep(_payload: dict[str, Any], _job: Claimed) -> None:
    sweep()


def sweep() -> int:
    """Remove contents without a row: of forms that were refused, of processes that died before their commit."""
    found = list(store.all_hashes(older_than_seconds=KEPT.total_seconds()))
    known = set(db.session.scalars(select(StoredFile.sha256).where(StoredFile.sha256.in_(found)))) if found else set()
    return store.drop(sha256 for sha256 in found if sha256 not in known)
