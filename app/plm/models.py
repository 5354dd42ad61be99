"""ECO types with their stage rules and approvers, the change order itself, and what people signed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.bom.models import Bom
from app.catalog.models import Product
from app.foundation import freeze
from app.foundation.clock import now
from app.foundation.db import Base
from app.foundation.errors import Conflict, Refused
from app.foundation.language import _, format_datetime
from app.people.models import Person
from app.traits.board.models import Board, Stage
from app.traits.record import Record


class Signing(StrEnum):
    """How a type is signed: by a click of the person signed in, or by the password again."""

    LIGHT = "light"
    SIGNED = "signed"


class ApproverKind(StrEnum):
    """A required approver holds the gate; an optional one may approve; the last kind is only heard."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    COMMENT = "comment"


class Verdict(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    COMMENT = "comment"


class Meaning(StrEnum):
    """What a signature says; printed wherever it is shown."""

    APPROVAL = "approval"
    REVIEW = "review"
    RESPONSIBILITY = "responsibility"
    REJECTION = "rejection"
    COMMENT = "comment"


class EcoType(Base):
    """A kind of change with a board of its own. A type for first releases takes products that have no BoM yet."""

    __tablename__ = "eco_type"

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("board.id"), unique=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    signing: Mapped[Signing] = mapped_column(default=Signing.SIGNED)
    separation_of_duties: Mapped[bool] = mapped_column(default=True)
    first_release: Mapped[bool] = mapped_column(default=False)
    archived_at: Mapped[datetime | None]

    board: Mapped[Board] = relationship(lazy="joined", innerjoin=True)


class StageRule(Base):
    """What entering a stage does to the BoM. A stage without a row does nothing."""

    __tablename__ = "stage_rule"

    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id", ondelete="CASCADE"), primary_key=True)
    applies_on_entry: Mapped[bool] = mapped_column(default=False)
    allows_apply: Mapped[bool] = mapped_column(default=False)


class StageApprover(Base):
    """Who is asked before a card may enter the stage."""

    __tablename__ = "stage_approver"
    __table_args__ = (UniqueConstraint("stage_id", "person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[ApproverKind]

    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)


class Eco(Record):
    """A change order. What it changes are the draft revisions that carry its id.

    A card that was added in a hurry has no product yet; it needs one before its revision is started.
    """

    __tablename__ = "eco"
    __mapper_args__ = {"polymorphic_identity": "eco"}

    id: Mapped[int] = mapped_column(ForeignKey("record.id", ondelete="CASCADE"), primary_key=True)
    type_id: Mapped[int] = mapped_column(ForeignKey("eco_type.id"), index=True)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"), index=True)
    bom_id: Mapped[int | None] = mapped_column(ForeignKey("bom.id"), index=True)
    description: Mapped[str] = mapped_column(Text, default="")
    effective_from: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    type: Mapped[EcoType] = relationship(lazy="raise_on_sql")
    product: Mapped[Product | None] = relationship(lazy="raise_on_sql")
    bom: Mapped[Bom | None] = relationship(lazy="raise_on_sql")
    approvals: Mapped[list["Approval"]] = relationship(
        back_populates="eco", lazy="raise_on_sql", order_by="Approval.id"
    )
    editors: Mapped[list["EcoEditor"]] = relationship(lazy="raise_on_sql")

    @property
    def is_open(self) -> bool:
        """Whether anything about it can still change."""
        return self.applied_at is None and self.cancelled_at is None

    def must_be_open(self) -> None:
        if self.applied_at is not None:
            raise Conflict(
                _("%(number)s is in force. To undo it, raise a new change.", number=self.number), code="ALREADY_APPLIED"
            )
        if self.cancelled_at is not None:
            raise Conflict(_("%(number)s was cancelled.", number=self.number), code="CANCELLED")

    def must_not_be_blocked(self) -> None:
        if self.blocked_reason:
            raise Refused(_("%(number)s is blocked: %(reason)s", number=self.number, reason=self.blocked_reason))

    def author_ids(self) -> frozenset[int]:
        """Who opened it and everybody who has edited a draft of it."""
        opened = {self.created_by_id} if self.created_by_id is not None else set()
        return frozenset(opened | {row.person_id for row in self.editors})

    def carry(self) -> dict[str, Any]:
        return {"title": self.title, "product_id": self.product_id}


class EcoEditor(Base):
    """Somebody who has edited a draft of this change, and therefore does not approve it."""

    __tablename__ = "eco_editor"

    eco_id: Mapped[int] = mapped_column(ForeignKey("eco.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, index=True)
    at: Mapped[datetime] = mapped_column(default=now)


class Approval(Base):
    """Something said with one's name under it, about exactly one content. Voided with a reason, never deleted.

    `stage_id` is the stage whose gate it is for. `signed` keeps what the person saw: per revision its changes, so that
    later the difference since the signature can be shown.
    """

    __tablename__ = "approval"
    __table_args__ = (
        Index("ix_approval_eco_id_stage_id", "eco_id", "stage_id"),
        Index(
            "uq_approval_one_approved",
            "eco_id",
            "stage_id",
            "person_id",
            unique=True,
            sqlite_where=text("verdict = 'approved' and voided_at is null"),
            postgresql_where=text("verdict = 'approved' and voided_at is null"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    eco_id: Mapped[int] = mapped_column(ForeignKey("eco.id", ondelete="CASCADE"))
    stage_id: Mapped[int] = mapped_column(ForeignKey("stage.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    verdict: Mapped[Verdict]
    meaning: Mapped[Meaning]
    comment: Mapped[str] = mapped_column(Text, default="")
    printed_name: Mapped[str] = mapped_column(String(80))
    zone: Mapped[str] = mapped_column(String(64))
    content_hash: Mapped[str] = mapped_column(String(80))
    signed: Mapped[dict[str, Any]] = mapped_column(default=dict)
    via: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(default=now)
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str] = mapped_column(String(200), default="")

    eco: Mapped[Eco] = relationship(back_populates="approvals", lazy="raise_on_sql")
    stage: Mapped[Stage] = relationship(lazy="raise_on_sql")
    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)

    @property
    def is_valid(self) -> bool:
        return self.voided_at is None

    @property
    def is_own_work(self) -> bool:
        """A self-approval, where the type allows it; shown as one for ever."""
        return bool(self.signed.get("own_work"))

    @property
    def when(self) -> str:
        """The moment it was signed, in the signer's zone and with its name, whoever reads it."""
        local = self.at.astimezone(ZoneInfo(self.zone))
        return f"{format_datetime(local, 'EEE d MMM y, HH:mm', rebase=False)} {local.tzname()}"

    @property
    def says(self) -> str:
        """What the signature means, as a word under the name."""
        words = {
            Meaning.APPROVAL: _("approval"),
            Meaning.REVIEW: _("review"),
            Meaning.RESPONSIBILITY: _("responsibility"),
            Meaning.REJECTION: _("rejection"),
            Meaning.COMMENT: _("comment"),
        }
        return str(words[self.meaning])


_SIGNED = "what was signed cannot be changed"
freeze.register(
    freeze.Trigger("freeze_approval_delete", "approval", "DELETE", _SIGNED),
    freeze.Trigger(
        "freeze_approval_update",
        "approval",
        "UPDATE",
        _SIGNED,
        columns=(
            "id",
            "eco_id",
            "stage_id",
            "person_id",
            "verdict",
            "meaning",
            "comment",
            "printed_name",
            "zone",
            "content_hash",
            "signed",
            "via",
            "at",
        ),
    ),
    freeze.Trigger(
        "freeze_approval_void",
        "approval",
        "UPDATE",
        "a voided signature stays void",
        "OLD.voided_at IS NOT NULL AND NEW.voided_at {is_not} OLD.voided_at",
        ("voided_at",),
    ),
)
