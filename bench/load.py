"""A small load generator for this machine: bounded clients, bounded time, one answer at a time per client."""

import multiprocessing
import random
import socket
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol


class Client(Protocol):
    """Somebody who asks for one thing after the other."""

    def ask(self, chance: random.Random) -> bytes: ...

    def hear(self, status: int) -> None: ...


@dataclass
class Result:
    """How many answers of each status came in how many seconds, and how long each took in milliseconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Result") -> None:
        self.statuses.update(other.statuses)
        self.times += other.times
        self.seconds += other.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.times) if self.times else 0.0


def post(path: str, body: str, headers: dict[str, str]) -> bytes:
    """The bytes of one request."""
    data = body.encode()
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in headers.items())]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


class Line:
    """One kept-alive connection that speaks just enough HTTP to be cheap."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """The status of the answer; 0 when the connection broke."""
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), 30)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(request)
            return self._read()
        except OSError:
            self.close()
            return 0

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _read(self) -> int:
        assert self.socket is not None
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise OSError("closed")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        length = 0
        if b"content-length:" in lower:
            length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        missing = length - len(body)
        while missing > 0:
            more = self.socket.recv(min(65536, missing))
            if not more:
                raise OSError("closed")
            missing -= len(more)
        if b"connection: close" in lower:
            self.close()
        return int(head[9:12])


def run(port: int, clients: list[Client], seconds: float, *, processes: int = 2, seed: int = 1) -> Result:
    """Every client asks again and again for `seconds`; spread over a few processes."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    shares = [clients[n::processes] for n in range(processes)]
    workers = [
        context.Process(target=_share, args=(port, share, seconds, seed * 1000 + n, queue))
        for n, share in enumerate(shares)
        if share
    ]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    total = Result()
    for _ in workers:
        statuses, times = queue.get(timeout=seconds + 120)
        total.add(Result(statuses, times))
    total.seconds = time.perf_counter() - began
    for worker in workers:
        worker.join(10)
    return total


def _share(port: int, clients: list[Client], seconds: float, seed: int, queue: "multiprocessing.Queue") -> None:
    until = time.perf_counter() + seconds
    results: list[tuple[Counter[int], list[float]]] = []

    def client(who: Client, number: int) -> None:
        chance = random.Random(seed + number)
        line = Line(port)
        statuses: Counter[int] = Counter()
        times: list[float] = []
        while time.perf_counter() < until:
            request = who.ask(chance)
            began = time.perf_counter()
            status = line.ask(request)
            statuses[status] += 1
            who.hear(status)
            times.append((time.perf_counter() - began) * 1000)
        line.close()
        results.append((statuses, times))

    threads = [threading.Thread(target=client, args=(who, n)) for n, who in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses: Counter[int] = Counter()
    times: list[float] = []
    for one, these in results:
        statuses.update(one)
        times.extend(these)
    queue.put((statuses, times))
