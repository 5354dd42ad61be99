"""`/patterns`: every control and fragment in each of its states, for those who build pages. In development only."""

from datetime import timedelta
from types import SimpleNamespace

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, DateField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Optional

from app.foundation import clock
from app.foundation.forms import Form, MoneyField, QuantityField
from app.foundation.language import _, lazy
from app.foundation.permissions import STAFF, needs
from app.people.current import current_person
from app.traits.board.drawing import drawer
from app.traits.board.models import StageRole
from app.traits.board.queries import Card, Cards, Column, Face, Label
from app.traits.board.registry import Pill
from app.traits.record import KINDS

bp = Blueprint("patterns", __name__)


class PatternForm(Form):
    """One field of every kind."""

    title = StringField(lazy("Title"), [InputRequired()], description=lazy("What people will call it."))
    words = TextAreaField(lazy("Message"), [Optional()])
    kind = SelectField(lazy("Type"), choices=[("a", lazy("Product improvement")), ("b", lazy("New product"))])
    quantity = QuantityField(lazy("Quantity"))
    cost = MoneyField(lazy("Cost"))
    start = DateField(lazy("Planned start"), [Optional()])
    password = PasswordField(lazy("Password"))
    stay = BooleanField(lazy("Stay signed in"))


@bp.get("/patterns")
@needs(STAFF)
def patterns() -> ResponseReturnValue:
    form, wrong = PatternForm(formdata=None), PatternForm(formdata=None, prefix="wrong-")
    wrong.refuse(_("It has no title yet."), "title")
    wrong.refuse(_("Start a revision before applying this change."))
    return render_template("patterns.html", form=form, wrong=wrong, now=clock.now() - timedelta(hours=3), **_board())


def _board() -> dict[str, object]:
    """Cards in every state on a board that does not exist."""
    kind = next(iter(KINDS.values()))
    faces = {n: Face(n, f"Person {n}", colour, f"P{n}", True) for n, colour in enumerate("abcdef", 1)}
    cards = [
        Card(1, "X-0001", _("A quiet card"), 0, "5 min", None, None, "", 0, 1),
        Card(2, "X-0002", _("With everything a card can say and a title of two lines, if need be"), 3, "2 d", 1, None,
             "Abigail Peterson · Coat rack", 1, 1),
        Card(3, "X-0003", _("Blocked until somebody else has done something"), 2, "3 d", 2,
             _("Waits for a delivery that was promised for the week after next"), "Northside Dental", 2, 1),
        Card(4, "X-0004", _("Moved by a colleague just now"), 1, "0 min", 3, None, "Hall bench", 3, 1),
    ]  # fmt: skip
    found = Cards(
        by_stage={1: cards, 2: [], 3: []},
        counts={1: len(cards), 2: 7, 3: 38},
        faces=faces,
        labels={2: [Label("QA-0087", "alert", "#"), Label("safety", "", ""), Label("stability", "", "")]},
        pills={2: [Pill(_("50 min"), "warn", "clock")], 4: [Pill(_("3 h late"), "bad", "late")]},
    )
    columns = [
        Column(1, 1, _("New"), StageRole.NEW, False, 4, False),
        Column(2, 1, _("In progress"), StageRole.OPEN, False, 6, True),
        Column(3, 1, _("Solved"), StageRole.DONE, True, None, False),
    ]
    view = SimpleNamespace(
        is_folded=lambda column: column.folded,
        shown=lambda column: 3 if column.id == 1 else 20,
        add=2,
        href=lambda *_a, **_k: "#",
        under=lambda *_a, **_k: "#",
        tail="",
        home="#",
    )
    spec = SimpleNamespace(quick_add=True, add_hint=_("What went wrong?"))
    return {
        "kind": kind, "found": found, "columns": columns, "view": view, "spec": spec, "board": SimpleNamespace(id=1),
        "sprite": current_app.jinja_env.globals["asset"]("img/icons.svg"),  # type: ignore[operator]
        "draw": drawer(kind, found, frozenset({4})), "may_write": True, "faces": faces, "me": current_person(),
        "people": [SimpleNamespace(name=f.name, colour=f.colour, initials=f.initials) for f in faces.values()],
    }  # fmt: skip
