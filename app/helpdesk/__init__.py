"""Someone says it is wrong: tickets."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.foundation.language import lazy
    from app.helpdesk import actions, queries, reactions, rules
    from app.helpdesk.models import Ticket
    from app.helpdesk.routes import bp
    from app.traits.board.registry import BoardSpec, register_board
    from app.traits.chatter.actions import register_addressee
    from app.traits.history import names_of
    from app.traits.record import Kind, register_kind

    register_kind(
        Kind(
            name="ticket",
            model=Ticket,
            plural="tickets",
            step="ticket",
            label=lazy("Ticket"),
            labels=lazy("Tickets"),
            may_see=rules.may_see,
            visible_to=rules.visible_to,
        )
    )
    register_board(
        BoardSpec(
            kind="ticket",
            join=queries.join_for_cards,
            about=queries.CARD_ABOUT,
            search=queries.CARD_SEARCH,
            quick_add=actions.add_card,
            new=(lazy("New ticket"), "/tickets/new"),
            add_hint=lazy("What went wrong?"),
            search_hint=lazy("Customer, serial, word…"),
        )
    )
    register_addressee("ticket", queries.addressee)
    for column, namer in queries.NAMES.items():
        names_of(column, namer)
    reactions.listen()
    app.register_blueprint(bp)
