"""Answers for htmx and for plain browsers. The only importer of htmx_flask, which predates htmx 4.

htmx_flask's request flag and its redirect header serve us; the newer headers are read and written here.
"""

from flask import Flask, Response, make_response, redirect, request
from htmx_flask import Htmx
from markupsafe import Markup

htmx = Htmx()


def init_htmx(app: Flask) -> None:
    htmx.init_app(app)


def is_htmx() -> bool:
    """Whether htmx asks (and not the browser itself, nor htmx restoring history as a whole page)."""
    return request.headers.get("HX-Request") == "true"


def wants_fragment() -> bool:
    """Whether the answer lands inside the page; `HX-Request-Type: full` asks for a whole page."""
    return is_htmx() and request.headers.get("HX-Request-Type", "partial") == "partial"


def see_other(url: str) -> Response:
    """303 for a form, `HX-Redirect` for htmx, whose fetch would swallow a 303."""
    if is_htmx():
        answer = make_response("", 200)
        answer.headers["HX-Redirect"] = url
        return answer
    return make_response(redirect(url, 303))


def partial(target: str, html: str, swap: str = "outerMorph") -> Markup:
    """One region of the page drawn anew. `target` is a CSS selector, `html` its new markup (safe)."""
    return Markup('<hx-partial hx-target="{}" hx-swap="{}">{}</hx-partial>').format(target, swap, Markup(html))  # noqa: S704 - drawn by a template


def fragments(*parts: str, instead: str, status: int = 200) -> Response:
    """`parts` (made by `partial`) for htmx with `status`; a plain browser is sent to `instead`."""
    if not wants_fragment():
        return make_response(redirect(instead, 303))
    answer = make_response("".join(parts), status)
    answer.headers["Vary"] = "HX-Request, HX-Request-Type"
    return answer
