"""Settings from the environment, read once at start. Every one has the prefix LOOPWRIGHT_ but the three usual ones."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class BadSettings(Exception):
    """The environment makes no sense; the sentence says which setting and how to mend it."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with its default."""

    data_dir: Path  # LOOPWRIGHT_DATA_DIR: database, files, secret, written mail
    database_url: str  # DATABASE_URL: SQLite in the data directory, or postgresql://...
    secret_key: str  # SECRET_KEY: made at first start and kept in the data directory when unset
    base_url: str  # LOOPWRIGHT_BASE_URL: what people type; used in every mailed link
    smtp_url: str | None  # LOOPWRIGHT_SMTP_URL: smtp://user:password@host:587; unset writes .eml files
    mail_from: str  # LOOPWRIGHT_MAIL_FROM
    port: int  # PORT
    idle_minutes: int  # LOOPWRIGHT_IDLE_MINUTES: a session ends after so long without a request
    absolute_hours: int  # LOOPWRIGHT_ABSOLUTE_HOURS: and after so long in any case
    stay_days: int  # LOOPWRIGHT_STAY_DAYS: the absolute time of "Stay signed in"
    trusted_proxies: int  # LOOPWRIGHT_TRUSTED_PROXIES: how many proxies of ours stand in front
    allow_insecure_http: bool  # LOOPWRIGHT_ALLOW_INSECURE_HTTP: plain HTTP from another machine
    public_form_per_ten_minutes: int  # LOOPWRIGHT_PUBLIC_FORM_LIMIT: sends of the public form per address
    upload_megabytes: int  # LOOPWRIGHT_UPLOAD_MB: one photo
    production: bool  # LOOPWRIGHT_ENV=production (default) or development

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings; BadSettings names the first wrong one."""
    env = os.environ if environ is None else environ
    data_dir = Path(env.get("LOOPWRIGHT_DATA_DIR") or "instance").absolute()
    port = _number(env, "PORT", 8000, 1, 65535)
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(env.get("DATABASE_URL"), data_dir),
        secret_key=_secret(env, data_dir),
        base_url=(env.get("LOOPWRIGHT_BASE_URL") or f"http://127.0.0.1:{port}").rstrip("/"),
        smtp_url=env.get("LOOPWRIGHT_SMTP_URL") or None,
        mail_from=env.get("LOOPWRIGHT_MAIL_FROM") or "Loopwright <loopwright@localhost>",
        port=port,
        idle_minutes=_number(env, "LOOPWRIGHT_IDLE_MINUTES", 30, 1, 24 * 60),
        absolute_hours=_number(env, "LOOPWRIGHT_ABSOLUTE_HOURS", 12, 1, 24 * 90),
        stay_days=_number(env, "LOOPWRIGHT_STAY_DAYS", 30, 1, 365),
        trusted_proxies=_number(env, "LOOPWRIGHT_TRUSTED_PROXIES", 0, 0, 10),
        allow_insecure_http=_switch(env, "LOOPWRIGHT_ALLOW_INSECURE_HTTP"),
        public_form_per_ten_minutes=_number(env, "LOOPWRIGHT_PUBLIC_FORM_LIMIT", 5, 1, 10_000),
        upload_megabytes=_number(env, "LOOPWRIGHT_UPLOAD_MB", 15, 1, 100),
        production=(env.get("LOOPWRIGHT_ENV") or "production") == "production",
    )


def _database_url(given: str | None, data_dir: Path) -> str:
    if not given:
        return f"sqlite:///{data_dir / 'loopwright.db'}"
    for plain in ("postgres://", "postgresql://"):
        if given.startswith(plain):
            return "postgresql+psycopg://" + given.removeprefix(plain)
    if given.startswith(("sqlite:///", "postgresql+psycopg://")):
        return given
    raise BadSettings("DATABASE_URL must start with sqlite:/// or postgresql://.")


def _secret(env: Mapping[str, str], data_dir: Path) -> str:
    """SECRET_KEY, unless it is one that anybody would guess; else the one this installation made for itself."""
    given = env.get("SECRET_KEY")
    if not given:
        return _kept_secret(data_dir)
    if len(given) < 16 or len(set(given)) < 6 or given.lower().startswith(("changeme", "change-me", "secret-key")):
        raise BadSettings("SECRET_KEY can be guessed: leave it unset, or give it 32 random characters or more.")
    return given


def _kept_secret(data_dir: Path) -> str:
    """The secret of this installation: made once, readable by its owner only."""
    path = data_dir / "secret_key"
    if path.exists():
        return path.read_text().strip()
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    given = env.get(name)
    if not given:
        return default
    if not given.isascii() or not given.isdigit() or not low <= int(given) <= high:
        raise BadSettings(f"{name} must be a whole number from {low} to {high}, not {given!r}.")
    return int(given)


def _switch(env: Mapping[str, str], name: str) -> bool:
    given = (env.get(name) or "").lower()
    if given in ("", "0", "no", "false", "off"):
        return False
    if given in ("1", "yes", "true", "on"):
        return True
    raise BadSettings(f"{name} must be 1 or 0, not {given!r}.")
