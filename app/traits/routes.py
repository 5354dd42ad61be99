"""What people do on any record, whatever its kind: write in its conversation, follow it, look into its history."""

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from app.foundation.db import transaction
from app.foundation.errors import NotAllowed, NotFound, Refused
from app.foundation.forms import clean
from app.foundation.htmx import fragments, partial, see_other, wants_fragment
from app.foundation.language import _
from app.foundation.permissions import STAFF, needs
from app.people.current import current_person
from app.traits.attachments.actions import keep_photos
from app.traits.chatter import actions
from app.traits.chatter.models import Entry
from app.traits.chatter.queries import thread_of
from app.traits.finding import find_record
from app.traits.followers import follow, followers, unfollow
from app.traits.history import history_of
from app.traits.record import Record, kind_of, record_url
from app.traits.show import composer_for, cursor, page_again

bp = Blueprint("records", __name__)


@bp.post("/<plural>/<number>/entries")
@needs(STAFF)
def post_entry(plural: str, number: str) -> ResponseReturnValue:
    """A note or a reply. The button says which; the picked tab does where a browser sends none."""
    record, person = find_record(plural, number, current_person()), current_person()
    asked = request.form.get("kind") or {"reply": "message"}.get(request.form.get("pick", ""), "note")
    body = str(clean(request.form.get("body", "")))
    try:
        photos = keep_photos(request.files.getlist("photos"))
        with transaction(by=person) as tx:
            say = actions.send_message if asked == "message" else actions.post_note
            entry = say(record, body, by=person, photos=photos)
            tx.location = f"{record_url(record)}#entry-{entry.id}"
    except (NotAllowed, NotFound):
        raise
    except Refused as no:
        return _not_said(find_record(plural, number, person), body, asked, no)
    return _said(record, entry)


@bp.get("/<plural>/<number>/entries")
@needs(STAFF)
def entries(plural: str, number: str) -> ResponseReturnValue:
    """An older page of the conversation, for the button *Earlier*."""
    record = find_record(plural, number, current_person())
    before = cursor("before")
    if not wants_fragment():
        return see_other(f"{record_url(record)}{f'?before={before}' if before else ''}#thread")
    return render_template("chatter/_page.html", record=record, thread=thread_of(record, before=before))


@bp.post("/<plural>/<number>/followers")
@needs(STAFF)
def set_following(plural: str, number: str) -> ResponseReturnValue:
    record, person = find_record(plural, number, current_person()), current_person()
    with transaction(by=person) as tx:
        tx.location = record_url(record)
        if request.form.get("follow") == "1":
            follow(record, person)
        else:
            unfollow(record, person)
    shown = render_template("chatter/_followers.html", record=record, kind=kind_of(record), followers=followers(record))
    return fragments(partial("#followers", shown, "outerHTML"), instead=record_url(record))


@bp.get("/<plural>/<number>/history")
@needs(STAFF)
def history(plural: str, number: str) -> ResponseReturnValue:
    record = find_record(plural, number, current_person())
    past = history_of(record, before=cursor("before"))
    template = "history/_history.html" if wants_fragment() else "history/show.html"
    return render_template(template, record=record, kind=kind_of(record), past=past)


def _said(record: Record, entry: Entry) -> ResponseReturnValue:
    if not wants_fragment():
        return see_other(f"{record_url(record)}#entry-{entry.id}")
    person = current_person()
    kind, thread, heard = kind_of(record), thread_of(record), followers(record)
    return fragments(
        partial("#entries", render_template("chatter/_entries.html", record=record, thread=thread)),
        partial(
            "#composer", render_template("chatter/_composer.html", composer=composer_for(record, person)), "outerHTML"
        ),
        partial("#followers", render_template("chatter/_followers.html", record=record, kind=kind, followers=heard)),
        instead=record_url(record),
    )


def _not_said(record: Record, body: str, asked: str, no: Refused) -> ResponseReturnValue:
    """The same page again with what was typed and why it did not go out."""
    composer = composer_for(record, current_person(), body=body, errors=[no.sentence])
    composer.picked = "reply" if asked == "message" and composer.addressee else "note"
    if any(request.files.getlist("photos")):
        composer.errors.append(_("Choose the photos again; a browser does not keep them."))
    if wants_fragment():
        shown = render_template("chatter/_composer.html", composer=composer)
        return fragments(partial("#composer", shown, "outerHTML"), instead=record_url(record), status=no.status)
    g.composer = composer
    return page_again(record, no.status)
