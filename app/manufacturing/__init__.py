"""We build to the current revision: manufacturing orders and work orders."""

from flask import Flask

from app.foundation.language import lazy


def register(app: Flask) -> None:
    """The front door of this room: its kind, board, node on the rail, answers to other rooms, and routes."""
    from app.catalog.models import Product
    from app.manufacturing import actions, loop, models, queries, reactions, routes, rules  # noqa: F401
    from app.traits.board.registry import BoardSpec, register_board
    from app.traits.impact import answers_impact
    from app.traits.links.rail import rail_step
    from app.traits.record import Kind, register_kind

    register_kind(
        Kind(
            name="order",
            model=models.ManufacturingOrder,
            plural="orders",
            step="mo",
            label=lazy("Order"),
            labels=lazy("Orders"),
            may_see=rules.may_see,
            visible_to=rules.visible_to,
        )
    )
    register_board(
        BoardSpec(
            kind="order",
            join=queries.join_cards,
            about=(queries.amount_on_card(), Product.ref),
            search=(Product.name, Product.ref),
            move=actions.move_order,
            pills=queries.pills,
            write="order.work",
            new=(lazy("New order"), "/orders/new"),
            search_hint=lazy("Product, number…"),
        )
    )
    rail_step("mo", loop.node)
    answers_impact("orders", loop.impact)
    app.register_blueprint(routes.bp)
