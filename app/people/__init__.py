"""Persons, teams, roles, customers, sign-in."""

from flask import Flask


def register(app: Flask) -> None:
    """Sign-in and the rules about people."""
    from app.people import models, rules  # noqa: F401
