"""Persons, teams, roles, customers, sign-in."""

from flask import Flask


def register(app: Flask) -> None:
    """Sign-in and the rules about people."""
    from app.people import models, rules, site  # noqa: F401

    site.init_site(app)
