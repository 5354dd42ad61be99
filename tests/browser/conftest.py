"""A real Chromium before a real server. Each test file has its own database and its own server.

`site` is the installation of the file, `visit(person)` opens a page that is signed in. Whatever the console says, and
every breach of the content security policy, fails the test that met it.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import BaseWSGIServer, make_server

from app import create_app
from app.foundation.db import db
from app.foundation.sessions import PLAIN_NAME
from app.people.models import Person
from tests.conftest import _copy, _drop, settings_for
from tests.visitors import Visitor

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # a browser that is closed in the middle of a file leaves it to the collector: nothing the test is about
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning"
                )
            )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole run."""
    path = os.environ.get("LOOPWRIGHT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.exit("The browser tests need Chromium: install the package `chromium`.", returncode=2)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Site:
    """An installation that is being served."""

    app: Flask
    url: str
    server: BaseWSGIServer
    known: dict[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Where actions can be called, as the factories do; what they write is there for the browser."""
        with self.app.app_context():
            yield
            db.session.remove()


@pytest.fixture(scope="module")
def site(template_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A database, an application and a server of this file's own."""
    url = _copy(template_url, tmp_path_factory.mktemp("site"))
    app = create_app(settings_for(url, tmp_path_factory.mktemp("data")))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(app=app, url=f"http://127.0.0.1:{server.server_port}", server=server)
    server.shutdown()
    thread.join(5)
    server.server_close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    if not url.startswith("sqlite"):
        _drop(template_url, url.rpartition("/")[2].partition("?")[0])


@dataclass
class Watched:
    """What a page must never say."""

    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        page.on(
            "console",
            lambda message: (
                self.errors.append(f"console: {message.text}") if message.type in ("error", "warning") else None
            ),
        )

    def forget(self, *expected: str) -> None:
        """Drop what the test provoked: every message with one of these words."""
        self.errors = [error for error in self.errors if not any(word in error for word in expected)]


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Console errors of this test's pages; a test that provokes one clears the list."""
    seen = Watched()
    yield seen
    assert seen.errors == []


Visit = Callable[..., Page]


@pytest.fixture
def visit(site: Site, chromium: Browser, watched: Watched) -> Iterator[Visit]:
    """`visit(person, "/tickets", viewport=PHONE, has_touch=True, ...)`: a browser of its own, signed in."""
    contexts: list[BrowserContext] = []

    def open_page(person: Person | None = None, path: str = "/", **options: Any) -> Page:
        context = chromium.new_context(base_url=site.url, **{"viewport": DESKTOP, **options})
        contexts.append(context)
        context.set_default_timeout(10_000)
        if person is not None:
            with site.inside():
                visitor = Visitor(site.app).as_(person)
                context.add_cookies([{"name": PLAIN_NAME, "value": visitor.cookie, "url": site.url}])
        page = context.new_page()
        watched.watch(page)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
