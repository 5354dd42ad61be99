"""Eight processes read a number from a ticket's edit form, add one and save it, 300 times each; 2,400 must come out.

They fight over eight tickets. Each save carries the version that was read; who comes second is told so (409), waits a
moment and reads again.
"""

import html
import multiprocessing
import random
import re
import time
from collections import Counter
from typing import Any

from bench.seed import EMAIL, PASSWORD
from tests.real_server import Visitor, hidden_fields

PROCESSES, TIMES = 8, 300
TICKETS = tuple(f"T-{n:04d}" for n in range(1, 9))
_NUMBER = re.compile(r'name="description"[^>]*>\s*(\d+)')
_CHOSEN = re.compile(r'<select\b[^>]*\bname="(\w+)".*?</select>', re.DOTALL)
_OPTION = re.compile(r"<option\b[^>]*\bselected\b[^>]*>")


def run(port: int) -> dict[str, Any]:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    began = time.perf_counter()
    writers = [context.Process(target=_write, args=(port, n, queue)) for n in range(PROCESSES)]
    for writer in writers:
        writer.start()
    statuses: Counter[str] = Counter()
    for _ in writers:
        statuses.update(queue.get(timeout=1200))
    for writer in writers:
        writer.join(10)
    reader = Visitor(port).sign_in(EMAIL, PASSWORD)
    found = sum(_read(reader.get(f"/tickets/{number}/edit").text) for number in TICKETS)
    reader.close()
    return {
        "wanted": PROCESSES * TIMES,
        "found": found,
        "saved": statuses["saved"],
        "told to read again": statuses["409"],
        "failed": sum(count for status, count in statuses.items() if status not in ("saved", "409")),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _write(port: int, seed: int, queue: Any) -> None:
    chance = random.Random(seed)
    visitor = Visitor(port, timeout=120).sign_in(EMAIL, PASSWORD)
    statuses: Counter[str] = Counter()
    while statuses["saved"] < TIMES and statuses.total() < TIMES * 100:
        path = f"/tickets/{chance.choice(TICKETS)}/edit"
        page = visitor.get(path).text
        answer = visitor.post(path, _fields(page) | {"description": str(_read(page) + 1)})
        if answer.status in (302, 303):
            statuses["saved"] += 1
        else:
            statuses[str(answer.status)] += 1
            time.sleep(chance.uniform(0, 0.05))
    visitor.close()
    queue.put(statuses)


def _read(page: str) -> int:
    found = _NUMBER.search(page)
    if found is None:
        raise AssertionError("The edit form shows no number in its description.")
    return int(found[1])


def _fields(page: str) -> dict[str, str]:
    """What the edit form would send if nothing were typed."""
    form = next(f for f in re.findall(r"<form\b.*?</form>", page, re.DOTALL) if 'name="description"' in f)
    fields = {name: value for name, value in hidden_fields(form).items() if name not in ("csrf_token", "op")}
    for match in _CHOSEN.finditer(form):
        chosen = _OPTION.search(match[0])
        value = re.search(r'value="([^"]*)"', chosen[0]) if chosen else None
        fields[match[1]] = html.unescape(value[1]) if value else ""
    return fields
