"""Words on cards. A tag is made when it is first typed; its colour follows from its name."""

import zlib
from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import set_committed_value

from app.foundation.db import db
from app.foundation.errors import Refused
from app.foundation.language import _
from app.traits.record import Record, RecordTag, Tag

LONGEST = 40
MOST = 8


def split_tags(typed: str) -> list[str]:
    """“Safety, stability” -> ["safety", "stability"]: lower case, in the order typed, each once."""
    words = (" ".join(word.split()).lower() for word in typed.replace(";", ",").split(","))
    return list(dict.fromkeys(word for word in words if word))


def tags_named(names: Iterable[str], *, field: str = "tags") -> list[Tag]:
    """The tags with these names, made when missing."""
    wanted = list(names)
    if len(wanted) > MOST:
        raise Refused(_("At most %(most)s tags.", most=MOST), field=field)
    if too_long := [name for name in wanted if len(name) > LONGEST]:
        raise Refused(_("“%(tag)s…” is too long for a tag.", tag=too_long[0][:LONGEST]), field=field)
    known = {tag.name: tag for tag in db.session.scalars(select(Tag).where(Tag.name.in_(wanted)))} if wanted else {}
    return [known.get(name) or _make(name) for name in wanted]


def set_tags(record: Record, names: Iterable[str], *, field: str = "tags") -> None:
    """Give `record` exactly these tags. A change of tags alone makes an open edit form stale too."""
    wanted = tags_named(names, field=field)
    own = select(Tag).join(RecordTag, RecordTag.tag_id == Tag.id).where(RecordTag.record_id == record.id)
    set_committed_value(record, "tags", list(db.session.scalars(own)))
    if {tag.id for tag in record.tags} != {tag.id for tag in wanted}:
        record.tags = wanted
        db.session.flush()
        table = Record.__table__
        db.session.execute(update(table).where(table.c.id == record.id).values(version=record.version + 1))  # type: ignore[arg-type]
        set_committed_value(record, "version", record.version + 1)


def _make(name: str) -> Tag:
    try:
        with db.session.begin_nested():
            tag = Tag(name=name, hue=zlib.crc32(name.encode()) % 360)
            db.session.add(tag)
    except IntegrityError:  # somebody typed the same word at the same moment
        return db.session.scalars(select(Tag).where(Tag.name == name)).one()
    return tag
