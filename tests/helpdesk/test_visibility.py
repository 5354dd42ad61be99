"""`may_see` and `visible_to` say the same, for every kind of person and every ticket and alert."""

import pytest
from sqlalchemy import select

from app.foundation.db import db
from app.traits.record import KINDS, Record
from tests.factories.alerts import make_alert
from tests.factories.people import make_customer, make_person
from tests.factories.tickets import make_helpdesk_team, make_ticket

pytestmark = pytest.mark.usefixtures("database")


def test_they_agree() -> None:
    make_helpdesk_team()
    abigail, paul = make_customer(), make_customer("Paul Brandt")
    lost = make_person("Nobody’s person", is_staff=False, roles=())
    for contact in (abigail, paul, None):
        make_ticket(contact_id=contact.id if contact else None)
    make_alert(customer_id=abigail.customer_id)
    people = [make_person("Marc"), make_person("Joe"), make_person("Ada"), abigail, paul, lost]
    seen = {}
    for person in people:
        for name in ("ticket", "alert"):
            kind = KINDS[name]
            every = db.session.scalars(select(Record).where(Record.kind == name)).all()
            by_sql = set(db.session.scalars(select(Record.id).where(Record.kind == name, kind.visible_to(person))))
            assert by_sql == {record.id for record in every if kind.may_see(person, record)}
            seen[person.name, name] = len(by_sql)
    assert seen["Abigail Peterson", "ticket"] == seen["Paul Brandt", "ticket"] == 1
    assert seen["Abigail Peterson", "alert"] == seen["Nobody’s person", "ticket"] == 0
    assert (seen["Joe Kazan", "ticket"], seen["Joe Kazan", "alert"]) == (3, 1)
