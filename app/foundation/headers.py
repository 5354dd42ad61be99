"""What every answer carries, and from where it may be asked for: policy, nonce, host names, HTTPS, request id."""

import ipaddress
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config import BadSettings
from app.foundation.language import _
from app.foundation.logs import request_id

PROBES = frozenset({"/healthz", "/readyz"})
PERMISSIONS = "camera=(self), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS,
}
VARY = ("Cookie", "HX-Request", "HX-Request-Type")


def init_headers(app: Flask) -> None:
    settings = app.config["LOOPWRIGHT"]
    if settings.production and app.debug:
        raise BadSettings("Debug mode shows the program's inside to everybody: unset FLASK_DEBUG, or LOOPWRIGHT_ENV.")
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    app.jinja_env.globals["request_id"] = request_id
    app.before_request(_check_host)
    app.before_request(_check_scheme)
    app.after_request(add_headers)


def csp_nonce() -> str:
    """The one value that lets a script of this very answer run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def policy(nonce: str, *, frame_ancestors: str = "'none'") -> str:
    """The content security policy. No 'self' for scripts: an uploaded file must never be a source of scripts."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
        f"object-src 'none'; frame-ancestors {frame_ancestors}"
    )


def add_headers(response: Response) -> Response:
    """Set on every answer, errors and files included. A view that set its own stricter policy keeps it."""
    headers = response.headers
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    if "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = policy(csp_nonce())
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if response.mimetype == "text/html":
        # Never an ETag either: a 304 would bring a nonce that the kept body does not have.
        headers["Cache-Control"] = "no-store"
        headers.pop("ETag", None)
    else:
        headers.setdefault("Cache-Control", "no-store")
    if "public" not in headers["Cache-Control"]:
        response.vary.update(VARY)
    return response


def is_loopback(host: str) -> bool:
    """Whether a host name (no port) is this machine to the browser that uses it."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_host() -> None:
    """A foreign `Host` never gets into a link of ours, nor reads us from a name an attacker points here.

    Accepted: the name in LOOPWRIGHT_BASE_URL, this machine itself, and plain addresses (which no name can rebind).
    """
    if request.path in PROBES:
        return
    try:
        parts = urlsplit(f"//{request.headers.get('Host', '')}")
        name, _port = parts.hostname or "", parts.port
    except ValueError:
        raise BadRequest(_("The host name of this request is not readable.")) from None
    own = urlsplit(current_app.config["LOOPWRIGHT"].base_url).hostname
    if not name or not (name == own or is_loopback(name) or _is_address(name)):
        raise BadRequest(_("This installation does not answer under that name. LOOPWRIGHT_BASE_URL says which it has."))


def _check_scheme() -> None:
    """Passwords and sessions do not travel in the clear, unless the installation says so."""
    settings = current_app.config["LOOPWRIGHT"]
    g.insecure_http = False
    if request.is_secure or request.path in PROBES:
        return
    if is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        return
    if not settings.allow_insecure_http:
        raise Forbidden(
            _(
                "This address is not encrypted: whoever shares your network could read your password. Open it with "
                "https://. Who runs this installation puts a proxy with a certificate in front of it and sets "
                "LOOPWRIGHT_TRUSTED_PROXIES=1, or allows plain HTTP with LOOPWRIGHT_ALLOW_INSECURE_HTTP=1."
            )
        )
    g.insecure_http = True


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
