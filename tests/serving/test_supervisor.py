"""The process tree of `loopwright up`, with small programs in place of the web server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TREE = """
import sys
from app.serving.supervisor import Child, supervise
import os
child = [sys.executable, "-c", sys.argv[1]]
supervise([Child("one", child, os.environ), Child("two", child, os.environ)], announce=lambda: True)
"""
SLEEPER = """
import os, sys, time
with open(os.environ["PIDS"], "a") as f: f.write(f"{os.getpid()}\\n")
time.sleep(120)
"""


def start(tmp_path: Path, program: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", TREE, program], env={**os.environ, "PIDS": str(tmp_path / "pids")})


def pids(tmp_path: Path, at_least: int) -> list[int]:
    """Wait until so many children have said who they are."""
    for _ in range(400):
        found = (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []
        if len(found) >= at_least:
            return [int(p) for p in found]
        time.sleep(0.05)
    raise AssertionError(f"Only {found} came up.")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(*wanted: int) -> bool:
    """Whether all of them end; waits a little."""
    for _ in range(200):
        if not any(alive(pid) for pid in wanted):
            return True
        time.sleep(0.05)
    return False


def test_a_dead_child_is_started_again(tmp_path: Path) -> None:
    tree = start(tmp_path, SLEEPER)
    try:
        first, _second = pids(tmp_path, 2)
        os.kill(first, signal.SIGKILL)
        third = pids(tmp_path, 3)[2]
        assert alive(third)
    finally:
        tree.terminate()
        assert tree.wait(30) == 0
    assert gone(*pids(tmp_path, 3))


def test_stopping_stops_all(tmp_path: Path) -> None:
    tree = start(tmp_path, SLEEPER)
    children = pids(tmp_path, 2)
    tree.send_signal(signal.SIGTERM)
    assert tree.wait(30) == 0
    assert gone(*children)


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    tree = start(tmp_path, SLEEPER)
    children = pids(tmp_path, 2)
    tree.kill()
    tree.wait(10)
    assert gone(*children)
