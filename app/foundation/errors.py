"""Every "no" of the house, worded for the person who asked. One place (error_pages) turns them into an answer."""

from collections.abc import Sequence


class Refused(Exception):
    """A gate or a field says no.

    `sentence` is shown as it is; `field` names the form field it belongs to; `reasons` lists what is missing, one
    sentence each; `code` is a short word for programs (`"BASE_MOVED"`).
    """

    status = 422

    def __init__(
        self, sentence: str, *, field: str | None = None, reasons: Sequence[str] = (), code: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.reasons = tuple(reasons)
        self.code = code


class Conflict(Refused):
    """The thing is no longer as the person saw it: moved by somebody else, or a stale edit."""

    status = 409


class NotAllowed(Refused):
    """The person has no right to do this."""

    status = 403


class NotFound(Refused):
    """It does not exist, or it belongs to somebody else and must not be told apart from that."""

    status = 404


class AlreadyDone(Exception):
    """The same `op` was committed before: the stored outcome is drawn again. Not an error for the person."""

    def __init__(self, status: int, location: str | None) -> None:
        super().__init__(location)
        self.status = status
        self.location = location


class AlreadySent(Refused):
    """The same `op` came again with another body after it was committed."""
