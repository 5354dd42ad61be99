"""What people type, as it is shown: escaped, lines kept, addresses made links, names picked out. Never their HTML."""

import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from app.traits.chatter.mentions import find_mentions

_ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]+", re.IGNORECASE)
_CLOSING = {")": "(", "]": "[", "}": "{"}


def prose(text: str, people: Iterable[tuple[int, str]] = ()) -> Markup:
    """Paragraphs of `text`. `people` are those whose mention is shown as such."""
    people = list(people)
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    return Markup("\n").join(
        Markup("<p>{}</p>").format(Markup("<br>\n").join(_line(line, people) for line in part.split("\n")))
        for part in paragraphs
    )


def _line(line: str, people: list[tuple[int, str]]) -> Markup:
    shown, at = Markup(""), 0
    for found in _ADDRESS.finditer(line):
        address = _without_punctuation(found[0])
        shown += _named(line[at : found.start()], people)
        shown += Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(address, address)
        at = found.start() + len(address)
    return shown + _named(line[at:], people)


def _named(text: str, people: list[tuple[int, str]]) -> Markup:
    shown, at = Markup(""), 0
    for mention in find_mentions(text, people):
        shown += escape(text[at : mention.start])
        shown += Markup('<span class="at">{}</span>').format(text[mention.start : mention.end])
        at = mention.end
    return shown + escape(text[at:])


def _without_punctuation(address: str) -> str:
    """The full stop after an address is not part of it, nor is a bracket that was opened before it."""
    while address:
        last = address[-1]
        if last not in ".,;:!?…»”’" and (last not in _CLOSING or _CLOSING[last] in address):
            break
        address = address[:-1]
    return address
