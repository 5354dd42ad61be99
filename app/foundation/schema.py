"""The schema of the database: bring it up to date, and know whether it is. Alembic is imported only to upgrade."""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

if TYPE_CHECKING:
    from alembic.config import Config

_APP = Path(__file__).resolve().parent.parent
_STOREYS = ("foundation", "people", "traits", "catalog", "bom")  # the rooms stand on these
_REVISION = re.compile(r"^revision(?:: str)? = [\"']([^\"']+)[\"']", re.MULTILINE)
_DOWN = re.compile(r"^down_revision(?:: [^=]+)? = (?:None|[\"']([^\"']*)[\"'])", re.MULTILINE)


def directory() -> Path:
    """Where the migrations are: inside an installed wheel, else beside `app`."""
    bundled = _APP / "_bundle" / "migrations"
    return bundled if bundled.is_dir() else _APP.parent / "migrations"


def upgrade(url: str, *, revision: str = "head", scripts: Path | None = None) -> None:
    """Migrate the database at `url`; all of it or nothing. Two at once wait for each other."""
    from alembic import command

    command.upgrade(configuration(url, scripts), revision)


def downgrade(url: str, *, revision: str, scripts: Path | None = None) -> None:
    """Take the database at `url` back to `revision`."""
    from alembic import command

    command.downgrade(configuration(url, scripts), revision)


def configuration(url: str, scripts: Path | None = None) -> "Config":
    """The Alembic configuration for `url`, as `env.py` expects it."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts or directory()).replace("%", "%%"))
    config.attributes["url"] = url
    return config


@cache
def head() -> str:
    """The revision this program needs: the one no other migration builds on."""
    revisions: set[str] = set()
    built_on: set[str] = set()
    for path in sorted((directory() / "versions").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        if found := _REVISION.search(source):
            revisions.add(found.group(1))
            down = _DOWN.search(source)
            if down and down.group(1):
                built_on.add(down.group(1))
    heads = revisions - built_on
    if len(heads) != 1:
        raise RuntimeError(f"There must be one newest migration, found {sorted(heads) or 'none'}.")
    return heads.pop()


def current(connection: Connection) -> str | None:
    """The revision the database is at; None when it has none yet."""
    try:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, ProgrammingError):
        return None
    return None if found is None else str(found)


def _from_below(path: Path) -> tuple[int, str]:
    storey = path.relative_to(_APP).parts[0]
    return (_STOREYS.index(storey) if storey in _STOREYS else len(_STOREYS)), str(path)


def load_models() -> None:
    """Import every module that declares a table or a trigger, so that the metadata and the registry are complete."""
    for path in sorted(_APP.rglob("*.py"), key=_from_below):
        parts = path.relative_to(_APP).with_suffix("").parts
        if "_bundle" in parts or path == Path(__file__).resolve():
            continue
        source = path.read_text(encoding="utf-8")
        if "__tablename__" in source or "freeze.register(" in source or "freeze.append_only(" in source:
            importlib.import_module(".".join(("app", *(part for part in parts if part != "__init__"))))
