"""Keeps a few processes alive as one tree: what dies is started again, what asks to stop stops all.

Imports nothing of the application, so that it stays small and has nothing to break.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

log = logging.getLogger("loopwright.up")

PATIENCE = 25.0  # seconds between asking to stop and making it stop; with the rest under 30
LONGEST_PAUSE = 5.0
STEADY = 4.0  # a child that lived so long starts again without a pause
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = 0.0
    not_before: float = field(default=0.0)

    def start(self) -> None:
        bind_to_us = _die_with_parent()
        self.process = subprocess.Popen(
            self.command,
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            preexec_fn=bind_to_us,  # noqa: PLW1509 - this process has one thread
        )
        self.started = time.monotonic()

    def tend(self) -> None:
        """Start it when it is not there, with growing pauses when it does not stay."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            self.process = None
            lived = time.monotonic() - self.started
            self.pause = 0.0 if lived > STEADY else min(LONGEST_PAUSE, self.pause * 2 or 0.2)
            self.not_before = time.monotonic() + self.pause
            log.warning("%s ended and is started again", self.name, extra={"child": self.name, "code": code})
        if time.monotonic() >= self.not_before:
            self.start()


def supervise(children: Sequence[Child], *, announce: Callable[[], bool]) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP. `announce` is asked again and again until it says that it has spoken."""
    asked_to_stop: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        asked_to_stop.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        announced = False
        while not asked_to_stop:
            for child in children:
                child.tend()
            announced = announced or announce()
            time.sleep(0.1)
    finally:
        _stop_all(children)


def _stop_all(children: Sequence[Child]) -> None:
    running = [child.process for child in children if child.process is not None and child.process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    for process in running:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(2)


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux a child gets SIGTERM when this process is killed, so that nothing is left on the port."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return in_child
