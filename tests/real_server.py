"""A browser without a screen, and the real server it visits: for tests and benchmarks that need sockets and processes.

Speaks to this machine only.
"""

import contextlib
import html
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
_HIDDEN = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.headers.get("HX-Redirect") or self.headers.get("Location") or ""


@dataclass
class Visitor:
    """Keeps one connection, its cookies and the newest CSRF token."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    timeout: float = 30
    _connection: http.client.HTTPConnection | None = None

    def get(self, path: str, **headers: str) -> Answer:
        return self._send("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], *, htmx: bool = False, op: str | None = None) -> Answer:
        """Send a form with the token and a fresh `op`."""
        body = urlencode({"csrf_token": self.token, "op": op or str(uuid.uuid4()), **fields})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if htmx:
            headers |= {"HX-Request": "true", "HX-Request-Type": "partial"}
        return self._send("POST", path, body, headers)

    def sign_in(self, email: str, password: str) -> "Visitor":
        self.get("/login")
        answer = self.post("/login", {"email": email, "password": password})
        if answer.status not in (302, 303):
            raise AssertionError(f"{email} could not sign in: {answer.status}")
        self.get("/healthz")
        return self

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self._connection.request(method, path, body, {**headers, "Cookie": self.cookie_header()})
            raw = self._connection.getresponse()
            data = raw.read()
        except BaseException:
            self.close()
            raise
        for cookie in raw.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        answer = Answer(raw.status, dict(raw.headers), data)
        if "text/html" in answer.headers.get("Content-Type", ""):
            self.token = hidden_fields(answer.text).get("csrf_token", self.token)
        return answer


def hidden_fields(page: str) -> dict[str, str]:
    """The values of a page's inputs by name; the first of each name."""
    found: dict[str, str] = {}
    for tag in _HIDDEN.findall(page):
        attributes = dict(_ATTRIBUTE.findall(tag))
        if name := attributes.get("name"):
            found.setdefault(name, html.unescape(attributes.get("value", "")))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(database_url: str, data_dir: Path, *arguments: str, **settings: str) -> Iterator[tuple[int, int]]:
    """`loopwright up` on a free port: yields the port and the pid of the supervisor, and stops it at the end."""
    port = free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LOOPWRIGHT_")},
        "DATABASE_URL": database_url,
        "LOOPWRIGHT_DATA_DIR": str(data_dir),
        "SECRET_KEY": "only-for-this-machine-" + "x" * 30,
        **settings,
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    with open(data_dir / "server.log", "ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--port", str(port), *arguments],
            cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until_ready(port, server, data_dir / "server.log")
        yield port, server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(40)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def wait_until_ready(port: int, server: "subprocess.Popen[bytes] | None", log: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server is not None and server.poll() is not None:
            raise RuntimeError(f"The server ended with {server.returncode}:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            visitor = Visitor(port, timeout=5)
            ready = visitor.get("/readyz").status == 200
            visitor.close()
            if ready:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not get ready:\n{log.read_text()[-3000:]}")


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, parents before children."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found
