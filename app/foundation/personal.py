"""What is about a person, and what is secret: the lists, and the keys that make a person's data in the trail erasable.

The audit trail keeps personal values encrypted with a key per subject; its hashes cover the ciphertext. Dropping the
key makes every value unreadable at once, in every copy of the row, and the chain still verifies.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, String, Table, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from app.foundation.clock import now
from app.foundation.db import Base, current_transaction

ERASED = "(erased)"  # what a reader sees in place of a value whose key is gone
SECRET = "(changed)"  # noqa: S105 - what the trail keeps of a secret


@dataclass(frozen=True, slots=True)
class Personal:
    """`columns` that are about a person; `owners` are tried in turn: (kind of subject, column with its id)."""

    columns: frozenset[str]
    owners: tuple[tuple[str, str], ...]


# By table of the model (for records: its own table, whose list may name columns of `record` as well).
# A column with a person's name, address, words or file names belongs here from the day it is made.
PERSONAL: dict[str, Personal] = {
    "person": Personal(frozenset({"name", "email"}), (("person", "id"),)),
    "customer": Personal(frozenset({"name", "email", "phone", "address"}), (("customer", "id"),)),
    "ticket": Personal(
        frozenset({"title", "description", "sender_name", "sender_email", "serial_text"}),
        (("person", "contact_id"), ("record", "id")),
    ),
    "entry": Personal(frozenset({"body", "data"}), (("person", "author_id"), ("record", "record_id"))),
    "attachment": Personal(frozenset({"name"}), (("person", "by_id"), ("record", "record_id"))),
    "approval": Personal(frozenset({"printed_name", "comment"}), (("person", "person_id"),)),
}

# Columns of audited tables that are never shown, not even encrypted: the trail says that they changed.
SECRETS: dict[str, frozenset[str]] = {"person": frozenset({"password_hash", "pin_hash"})}


class PersonKey(Base):
    """The key of one subject (`person:7`, `customer:3`, `record:41` for a sender we do not know further)."""

    __tablename__ = "person_key"

    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


_keys: Table = PersonKey.__table__  # type: ignore[assignment]


def subject_of(table: str, values: Mapping[str, Any]) -> str:
    """Whose data the personal columns of this row are."""
    for kind, column in PERSONAL[table].owners:
        if (identity := values.get(column)) is not None:
            return f"{kind}:{identity}"
    return f"{table}:unknown"


def is_personal(table: str, column: str) -> bool:
    return table in PERSONAL and column in PERSONAL[table].columns


def is_secret(table: str, column: str) -> bool:
    return column in SECRETS.get(table, ())


def keys_for_writing(connection: Connection, subjects: Iterable[str]) -> dict[str, bytes | None]:
    """The key of each subject, made where missing; None for an erased one. Call it under the audit head's lock."""
    wanted = set(subjects)
    known = keys_for_reading(connection, wanted)
    missing = sorted(wanted - known.keys())
    if missing:
        fresh: dict[str, bytes | None] = {subject: AESGCM.generate_key(256) for subject in missing}
        connection.execute(
            insert(_keys), [{"subject": s, "key": key, "made_at": now(), "erased_at": None} for s, key in fresh.items()]
        )
        known |= fresh
    return known


def keys_for_reading(connection: Connection, subjects: Iterable[str]) -> dict[str, bytes | None]:
    """The keys there are."""
    wanted = sorted(set(subjects))
    if not wanted:
        return {}
    rows = connection.execute(select(_keys.c.subject, _keys.c.key).where(_keys.c.subject.in_(wanted)))
    return {row.subject: row.key for row in rows}


def forget(subject: str) -> bool:
    """Drop the key of `subject`; nothing is kept of them from now on. False when there was nothing to drop."""
    connection = current_transaction().session.connection()
    known = keys_for_reading(connection, [subject])
    if known.get(subject) is None and subject in known:
        return False
    if subject in known:
        connection.execute(update(_keys).where(_keys.c.subject == subject).values(key=None, erased_at=now()))
    else:
        connection.execute(insert(_keys).values(subject=subject, key=None, made_at=now(), erased_at=now()))
    return True


def encrypted(value: Any, *, subject: str, key: bytes | None, place: str) -> Any:
    """`value` as the trail keeps it. `place` (table, row, column) is bound in, so that it cannot be put elsewhere."""
    if value is None or value == "":
        return value
    if key is None:
        return {"of": subject}
    nonce = os.urandom(12)
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, place.encode())
    return {"of": subject, "v1": base64.b64encode(sealed).decode()}


def decrypted(kept: Any, *, keys: Mapping[str, bytes | None], place: str) -> Any:
    """What `encrypted` was given; ERASED when the key is gone."""
    subject = sealed_for(kept)
    if subject is None:
        return kept
    key = keys.get(subject)
    if key is None or "v1" not in kept:
        return ERASED
    try:
        sealed = base64.b64decode(kept["v1"], validate=True)
        return json.loads(AESGCM(key).decrypt(sealed[:12], sealed[12:], place.encode()))
    except (InvalidTag, binascii.Error, ValueError):
        return ERASED


def sealed_for(kept: Any) -> str | None:
    """The subject of a sealed value, None for a plain one."""
    if isinstance(kept, dict) and isinstance(kept.get("of"), str) and kept.keys() <= {"of", "v1"}:
        return str(kept["of"])
    return None
