"""Serving files: every request asks anew whether this person may see the record."""

from urllib.parse import quote

from flask import Blueprint, Response, send_file, url_for

from app.foundation.errors import NotFound
from app.foundation.permissions import SIGNED_IN, needs
from app.people.current import current_person
from app.traits.attachments import store
from app.traits.attachments.models import Attachment
from app.traits.attachments.queries import find_attachment

bp = Blueprint("attachments", __name__)


@bp.get("/attachments/<int:attachment_id>/<name>")
@needs(SIGNED_IN)
def show(attachment_id: int, name: str) -> Response:
    return _served(find_attachment(attachment_id, name, current_person()), is_small=False)


@bp.get("/attachments/<int:attachment_id>/small/<name>")
@needs(SIGNED_IN)
def small(attachment_id: int, name: str) -> Response:
    return _served(find_attachment(attachment_id, name, current_person()), is_small=True)


def attachment_url(attachment: Attachment, *, small: bool = False) -> str:
    endpoint = "attachments.small" if small else "attachments.show"
    return url_for(endpoint, attachment_id=attachment.id, name=attachment.name)


def _served(attachment: Attachment, *, is_small: bool) -> Response:
    path = store.thumbnail_path(attachment.sha256) if is_small else store.path(attachment.sha256)
    if not path.is_file():
        raise NotFound("")
    answer = send_file(path, mimetype=attachment.media_type, conditional=True, etag=False, last_modified=None)
    answer.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(attachment.name, safe='')}"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
