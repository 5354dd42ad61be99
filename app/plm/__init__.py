"""We decide to change the product: engineering change orders, stages, approvals."""

from flask import Flask

from app.foundation.language import lazy


def register(app: Flask) -> None:
    """The front door of this room."""
    from sqlalchemy import String, cast, func, literal, select

    from app.bom.models import BomRevision, RevisionState
    from app.catalog.models import Product
    from app.plm import actions, models, queries, reactions, routes, rules  # noqa: F401
    from app.traits.board.registry import BoardSpec, register_board
    from app.traits.links.offers import offer
    from app.traits.record import Kind, Record, register_kind
    from app.traits.work import my_work

    eco = models.Eco.__table__
    revision = (
        select(literal("V").concat(cast(func.min(BomRevision.number), String)))
        .where(BomRevision.eco_id == Record.id, BomRevision.state != RevisionState.ABANDONED)
        .having(func.count() > 0)
        .correlate(Record)
        .scalar_subquery()
    )
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
    register_board(
        BoardSpec(
            kind="eco",
            join=lambda statement: statement.outerjoin(eco, eco.c.id == Record.id).outerjoin(
                Product, Product.id == eco.c.product_id
            ),
            about=(Product.name, revision),
            search=(Product.ref,),
            move=actions.move_eco,
            quick_add=actions.add_card,
            pills=queries.pills,
            switch="type",
            write="eco.move",
            new=(lazy("New change"), "/ecos/new"),
            add_hint=lazy("What is to change?"),
            search_hint=lazy("Product, part, word…"),
        )
    )
    offer("alert", lazy("Raise ECO"), "plm.new", "eco.open", step="eco")
    my_work("approvals", queries.to_sign, title=lazy("Waiting for your signature"), step="eco", icon="sign", order=10)
    app.register_blueprint(routes.bp)
