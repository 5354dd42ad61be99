"""The conversation of a record: messages to and from the customer, internal notes, mentions, and what happened."""

from flask import Flask


def register(app: Flask) -> None:
    """Words for the conversation's templates."""
    from app.traits.chatter import words
    from app.traits.record import record_url

    app.jinja_env.globals.update(
        record_link=words.record_link,
        record_url=record_url,
        span_of_days=words.span_of_days,
        short_moment=words.short_moment,
        file_size=words.file_size,
        field_label=words.field_label,
    )
    app.jinja_env.filters["field_label"] = words.field_label
