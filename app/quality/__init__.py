"""We check, and raise an alert: corrective and preventive actions."""

from flask import Flask


def register(app: Flask) -> None:
    """The front door of this room."""
    from app.foundation.language import lazy
    from app.quality import actions, queries, reactions, rules
    from app.quality.models import Alert
    from app.quality.routes import bp
    from app.traits.board.registry import BoardSpec, register_board
    from app.traits.history import names_of
    from app.traits.links.offers import offer, panel
    from app.traits.record import Kind, register_kind
    from app.traits.work import my_work

    register_kind(
        Kind(
            name="alert",
            model=Alert,
            plural="alerts",
            step="alert",
            label=lazy("Quality alert"),
            labels=lazy("Quality alerts"),
            may_see=rules.may_see,
            visible_to=rules.visible_to,
        )
    )
    register_board(
        BoardSpec(
            kind="alert",
            join=queries.join_for_cards,
            about=queries.CARD_ABOUT,
            search=queries.CARD_SEARCH,
            move=actions.move_alert,
            quick_add=actions.add_card,
            new=(lazy("New alert"), "/alerts/new"),
            add_hint=lazy("What is wrong?"),
            search_hint=lazy("Product, serial, word…"),
        )
    )
    offer("ticket", lazy("Raise quality alert"), "quality.new", "alert.raise", step="alert")
    offer("ticket", lazy("Attach to open alert"), "quality.attach", "alert.raise", step="alert", icon="link")
    panel("ticket", lazy("Same cause"), queries.same_cause, "quality/_same_cause.html")
    my_work("actions", queries.actions_waiting_for, title=lazy("Actions"), step="alert", icon="field", order=30)
    names_of("root_cause_id", queries.names_of_causes)
    reactions.listen()
    app.register_blueprint(bp)
