"""The coat rack, from Abigail's complaint to the order that is built to the improved bill of materials."""

from decimal import Decimal

from sqlalchemy import select

from app.bom import actions as boms
from app.bom.models import RevisionState
from app.foundation.db import db, transaction
from app.helpdesk.actions import send_form
from app.manufacturing.actions import confirm_order, load_for_work
from app.plm.actions import enter_and_apply, make_default_types, move_eco, open_eco, start_eco_revision
from app.plm.gates import sheet_of
from app.plm.queries import waiting_for
from app.plm.signing import Proof
from app.quality.actions import add_action, raise_alert
from app.quality.models import ActionKind
from app.traits.chatter.actions import post_note
from app.traits.chatter.models import Entry
from app.traits.links.queries import chain_of
from tests.factories import active_number, make_coat_rack, make_person, make_product, make_work_centre, stage_named
from tests.factories.alerts import make_quality_team
from tests.factories.orders import make_order
from tests.factories.tickets import make_helpdesk_team


def test_the_coat_rack_is_improved_and_the_next_order_uses_it(database: None) -> None:
    marc, julie, joe, jose = (make_person(name) for name in ("Marc", "Julie", "Joe", "Jose"))
    care, quality = make_helpdesk_team(), make_quality_team(members=(julie,))
    rack, rod, bench = make_coat_rack(), make_product("Metal support rod"), make_work_centre()
    with transaction(by=None):
        improvement, _new_product = make_default_types(approver=jose, optional=[julie])
    earlier = make_order(rack, by=joe)
    with transaction(by=joe):
        confirm_order(load_for_work(earlier.id), by=joe)

    with transaction(by=None):  # 0.1 Abigail writes, by the public form
        ticket = send_form(
            care,
            name="Abigail Peterson",
            email="abigail@customer.example",
            subject="It tips over",
            text="With six coats.",
        )
    with transaction(by=marc):  # 0.2 Marc raises an alert from it
        alert = raise_alert(
            title="Coat rack tips over",
            team_id=quality.id,
            responsible_id=julie.id,
            product_id=rack.id,
            origin=ticket,
            by=marc,
        )
    with transaction(by=julie):  # 0.3 Julie decides
        add_action(alert, ActionKind.CORRECTIVE, "Add a metal support rod", owner_id=joe.id, by=julie)
        post_note(alert, "@Joe Kazan can you look at this?", by=julie)
    with transaction(by=joe):  # 0.4, 0.5 Joe opens a change and starts the revision
        eco = open_eco(title="Support rod", type=improvement, product=rack, origin=alert, by=joe)
        draft = start_eco_revision(eco, by=joe)
    assert (draft.number, draft.state, active_number(rack)) == (2, RevisionState.DRAFT, 1)
    with transaction(by=joe):  # 0.6 he adds the rod and the step that puts it in
        step = boms.add_operation(draft, name="Install support rod", work_centre=bench, minutes=Decimal(4), by=joe)
        boms.add_component(draft, component=rod, quantity=Decimal(1), operation=step, by=joe)
    with transaction(by=joe):  # 0.8 Jose is asked
        move_eco(eco, to=stage_named(eco, "Review"), before=None, after=None, by=joe)
    assert [waiting.eco.id for waiting in waiting_for(jose)] == [eco.id]
    with transaction(by=jose):  # 0.9 he signs, and V2 is current
        enter_and_apply(
            eco,
            to_id=stage_named(eco, "Approved").id,
            by=jose,
            proof=Proof("password", password=True),
            seen=sheet_of(eco).content_hash,
        )
    assert active_number(rack) == 2

    order = make_order(rack, by=joe)  # 0.10 the next order is built to V2
    with transaction(by=joe):
        order = load_for_work(order.id)
        confirm_order(order, by=joe)
    assert order.revision.number == 2
    assert len(order.components) == 4
    assert [work.name for work in order.work_orders] == ["Install support rod"]
    assert earlier.revision.number == 1  # 0.11 the earlier one keeps V1 and says so
    said = select(Entry.verb).where(Entry.record_id == earlier.id)
    assert "newer_revision" in list(db.session.scalars(said))
    steps = {step: [record.number for record in found] for step, found in chain_of(eco).ahead.items()}
    assert steps["ticket"] == [ticket.number]
    assert steps["alert"] == [alert.number]
