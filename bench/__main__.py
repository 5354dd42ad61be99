"""`make bench`: everything side by side in one run, as ratios, into bench/results.json. Asserts no time."""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import moves, rewrites
from bench.seed import seeded
from tests.postgres import private_cluster
from tests.real_server import served

RESULTS = Path(__file__).parent / "results.json"
SETTINGS = {"SECRET_KEY": "only-for-this-machine-" + "x" * 30, "LOOPWRIGHT_IDLE_MINUTES": "600"}
GOALS = {
    "board": "<= 2.5 x of the bare view, p95 / p50 <= 1.6, <= 6 statements, <= 30 KB compressed, < 4,500 nodes",
    "moves": ">= 0.25 x of raw SQL on SQLite, >= 0.3 x on PostgreSQL; 0 lost, 0 failed, 0 double ranks",
    "rewrites": "2,400 of 2,400, 0 failed",
}


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped on the way out
    results: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "goals": GOALS,
    }
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        results["sqlite"] = on(f"sqlite:///{folder}/bench.db", Path(folder))
    with private_cluster(durable=True) as url, tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        results["postgresql"] = on(url, Path(folder))
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(results, indent=2, ensure_ascii=False))
    print(f"Written to {RESULTS}.")
    return 0


def on(url: str, folder: Path) -> dict[str, Any]:
    """The three benchmarks on one engine."""
    say(f"{url.split(':')[0]}: seeding 20,000 cards and drawing their board ...")
    app = seeded(url, folder)
    found: dict[str, Any] = {"board": board(url, folder)}
    with served(url, folder, **SETTINGS) as (port, _pid):
        say(f"{url.split(':')[0]}: moving cards ...")
        found["moves"] = moves.measure(app, port, url)
        say(f"{url.split(':')[0]}: rewriting one number ...")
        found["rewrites"] = rewrites.run(port)
    return found


def board(url: str, folder: Path) -> dict[str, Any]:
    """In a process of its own, so that nothing else is in its memory."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.one_page", str(folder)],
        env={**os.environ, "BENCH_DB": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise SystemExit(answer.stderr[-3000:])
    found: dict[str, Any] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
