"""A ticket: somebody says it is wrong."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bom.units import Unit
from app.catalog.models import Product
from app.people.models import Customer, Person, Team
from app.traits.record import Record


class Channel(StrEnum):
    """How the customer came to us."""

    FORM = "form"
    STAFF = "staff"


class Doubt(StrEnum):
    """Why somebody should look at a ticket of the public form before it is answered."""

    FAST = "fast"
    STALE = "stale"
    TRAP = "trap"


class Ticket(Record):
    """Somebody's trouble with a product. The sender is kept as typed, also when no customer of ours matches.

    `serial_text` is what was typed; `unit` is set when we built that serial. `doubt` is set by the public form.
    """

    __tablename__ = "ticket"
    __mapper_args__ = {"polymorphic_identity": "ticket"}

    id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"), index=True)
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    sender_name: Mapped[str] = mapped_column(String(120), default="")
    sender_email: Mapped[str] = mapped_column(String(254), default="")
    channel: Mapped[Channel] = mapped_column(default=Channel.STAFF)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"), index=True)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    serial_text: Mapped[str] = mapped_column(String(60), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    doubt: Mapped[Doubt | None]

    team: Mapped[Team] = relationship(lazy="raise_on_sql")
    customer: Mapped[Customer | None] = relationship(lazy="raise_on_sql")
    contact: Mapped[Person | None] = relationship(lazy="raise_on_sql", foreign_keys=[contact_id])
    product: Mapped[Product | None] = relationship(lazy="raise_on_sql")
    unit: Mapped[Unit | None] = relationship(lazy="raise_on_sql")

    @property
    def has_unknown_serial(self) -> bool:
        """A serial was typed that we never built."""
        return bool(self.serial_text) and self.unit_id is None

    def carry(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "description": self.description,
            "product_id": self.product_id,
            "unit_id": self.unit_id,
            "serial_text": self.serial_text,
            "customer_id": self.customer_id,
            "priority": self.priority,
        }
