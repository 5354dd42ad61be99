"""Makes one revision after the other current, for as long as it lives, and says so only after the commit.

A parent that imports once forks the child that works; whoever kills the child finds a new one a moment later. Each
child writes `pid N` when it begins, and `done ECO REVISION` after each activation.
"""

import os
import sys
import time

from sqlalchemy import select

from app import config, create_app
from app.bom.actions import change_component
from app.bom.models import BomLine
from app.catalog.models import Product
from app.foundation.db import db, transaction
from app.people.models import Person
from app.plm import actions
from app.plm.gates import sheet_of
from app.plm.models import EcoType
from app.plm.signing import Proof
from app.traits.board.actions import stage_with_role
from app.traits.board.models import StageRole


def main(person_id: int, type_id: int, product_id: int) -> None:
    app = create_app(config.read())
    parent = os.getpid()
    while True:
        child = os.fork()
        if child == 0:
            with app.app_context():
                db.engine.dispose(close=False)
                say(f"pid {os.getpid()}")
                while os.getppid() == parent:
                    one_change(person_id, type_id, product_id)
            sys.exit()
        _pid, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(f"The child ended by itself with {os.WEXITSTATUS(status)}.")
        time.sleep(0.01)


def one_change(person_id: int, type_id: int, product_id: int) -> None:
    """Open a change, start its revision, change a line, make it current: four transactions, the last one told."""
    with transaction(by=db.session.get_one(Person, person_id), source="test") as tx:
        eco = actions.open_eco(
            title="One more of it",
            type=tx.session.get_one(EcoType, type_id),
            product=tx.session.get_one(Product, product_id),
            by=tx.by,
        )
    with transaction(by=db.session.get_one(Person, person_id), source="test") as tx:
        draft = actions.start_eco_revision(eco, by=tx.by)
    with transaction(by=db.session.get_one(Person, person_id), source="test") as tx:
        line = tx.session.scalars(select(BomLine).where(BomLine.revision_id == draft.id).limit(1)).one()
        change_component(line, quantity=line.quantity + 1, by=tx.by)
    approved = stage_with_role(db.session.get_one(EcoType, type_id).board_id, StageRole.APPROVED)
    with transaction(by=db.session.get_one(Person, person_id), source="test") as tx:
        actions.enter_and_apply(
            eco,
            to_id=approved.id,
            by=tx.by,
            proof=Proof("password", password=True),
            seen=sheet_of(eco).content_hash,
            approve=False,
        )
    say(f"done {eco.id} {draft.id}")


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
