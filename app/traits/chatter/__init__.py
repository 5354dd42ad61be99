"""The conversation of a record: messages to and from the customer, internal notes, mentions, and what happened."""

from flask import Flask


def register(app: Flask) -> None:
    from app.traits.chatter.words import record_link, span_of_days
    from app.traits.finding import number_url

    app.jinja_env.globals.update(number_url=number_url, record_link=record_link, span_of_days=span_of_days)
