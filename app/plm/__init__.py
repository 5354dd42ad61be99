"""We decide to change the product: engineering change orders, stages, approvals."""

from flask import Flask

from app.foundation.language import lazy


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.plm import models, queries, reactions, rules  # noqa: F401
    from app.traits.record import Kind, register_kind

    register_kind(
        Kind(
            name="eco",
            model=models.Eco,
            plural="ecos",
            step="eco",
            label=lazy("Change"),
            labels=lazy("Changes"),
            may_see=rules.may_see,
            visible_to=rules.visible_to,
        )
    )
