"""Persons, teams, roles, customers, sign-in."""

from flask import Flask


def register(app: Flask) -> None:
    """Sign-in and the rules about people."""
    from app.people import gate, models, routes, rules, site  # noqa: F401

    gate.init_gate(app)
    site.init_site(app)
    app.register_blueprint(routes.bp)
