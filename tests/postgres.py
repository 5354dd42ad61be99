"""A private PostgreSQL for one run: made in a temporary folder, reached by socket only, gone afterwards.

PostgreSQL refuses to run as root, so for root it runs as `postgres` or `nobody`. Durability is switched off unless
asked for: never use it for real data.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MISSING = (
    "PostgreSQL's server programs are missing: install the package `postgresql` (Debian: apt-get install postgresql)."
)


def programs() -> Path | None:
    """The folder with initdb and postgres; the newest one Debian has, else whatever is on the PATH."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: float(f.split("/")[4]), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*folders, *([str(Path(on_path).resolve().parent)] if on_path else [])]
    return next((Path(f) for f in candidates if all(Path(f, p).exists() for p in ("initdb", "postgres"))), None)


@contextlib.contextmanager
def private_cluster(*, durable: bool = False) -> Iterator[str]:
    """Yields the URL of an empty database `loopwright`; stops the server and removes its folder at the end."""
    found = programs()
    if found is None:
        raise FileNotFoundError(MISSING)
    home = Path(tempfile.mkdtemp(prefix="loopwright-pg-", dir="/tmp"))
    account = _account()
    try:
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        server = _start(found, home, account, durable)
        try:
            yield f"postgresql+psycopg://loopwright@/loopwright?host={home}"
        finally:
            _stop(server)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(found: Path, home: Path, account: pwd.struct_passwd | None, durable: bool) -> "subprocess.Popen[bytes]":
    data = home / "data"
    identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(home)}
    quiet = {"cwd": home, "env": env, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **identity}
    subprocess.run(
        [found / "initdb", "-D", data, "-U", "loopwright", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, stderr=subprocess.PIPE, **quiet,
    )  # fmt: skip
    settings = {
        "listen_addresses": "", "unix_socket_directories": str(home), "max_connections": "200",
        "shared_buffers": "256MB", "timezone": "UTC", "log_min_messages": "fatal",
    }  # fmt: skip
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(
            [found / "postgres", "-D", data, *options], stderr=log, start_new_session=True, **quiet
        )
    try:
        _wait_and_create(found, home, server, quiet)
    except BaseException:
        _stop(server)
        raise
    return server


def _wait_and_create(found: Path, home: Path, server: "subprocess.Popen[bytes]", quiet: dict[str, object]) -> None:
    command = [
        found / "psql",
        "-q",
        "-h",
        home,
        "-U",
        "loopwright",
        "-d",
        "postgres",
        "-c",
        "CREATE DATABASE loopwright",
    ]
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL, **quiet).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not get ready within 30 seconds.")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)  # immediate: nothing in it is worth a checkpoint
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and neither `postgres` nor `nobody` exists here.")
