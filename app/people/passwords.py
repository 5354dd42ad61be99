"""Passwords: argon2id at OWASP's minimum, few checks at once, no rules of composition but no common words either."""

import threading
import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from app.foundation.errors import Refused
from app.foundation.language import _

SHORTEST, LONGEST = 8, 256
AT_ONCE = 2  # per worker: the shift that signs in at six must not starve everybody else
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
_gate = threading.BoundedSemaphore(AT_ONCE)
_COMMON = frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").split())


def hash_password(password: str) -> str:
    with _gate:
        return hasher.hash(normal(password))


def is_right(stored: str | None, password: str) -> bool:
    """Whether `password` is the one. Takes as long for nobody as for somebody."""
    with _gate:
        try:
            hasher.verify(stored or _nobody(), normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(stored)


def must_be_good(password: str, *context: str) -> None:
    """Refused when it is short, common, or one of the words around it (`context`: company, name, e-mail)."""
    typed = normal(password)
    if len(typed) < SHORTEST:
        raise Refused(_("A password has at least 8 characters. A few words in a row are good."), field="password")
    if len(typed) > LONGEST:
        raise Refused(_("A password has at most 256 characters."), field="password")
    bare: str = _bare(typed)
    words = {_bare(w) for text in context for w in (text, *text.replace("@", " ").split()) if len(_bare(w)) >= 4}
    if (
        typed.lower() in _COMMON
        or (bare != "" and bare in _BARE_COMMON | words)
        or (len(set(typed)) == 1 and len(typed) < 16)
    ):
        raise Refused(_("This password is one of the first that anybody would try. Choose another."), field="password")


def normal(password: str) -> str:
    """The same password whatever keyboard typed it: NFC, and no longer than we look at."""
    return unicodedata.normalize("NFC", password)[: LONGEST + 1]


def _bare(word: str) -> str:
    """Without the digits and marks that people hang on to a word."""
    return word.lower().strip("0123456789!?.,-_ ").replace(" ", "")


def _nobody() -> str:
    """A hash that fits no password, so that an unknown account costs the same time."""
    global _dummy
    if not _dummy:
        _dummy = hasher.hash("nobody has this password")
    return _dummy


_dummy = ""
_BARE_COMMON = {_bare(word) for word in _COMMON}
