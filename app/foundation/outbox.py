"""The outbox: what leaves the house (mail) or happens later, as rows of the same transaction. Import from here."""

from app.foundation.jobs import (
    Claimed,
    Job,
    JobState,
    count_dead,
    dead_jobs,
    enqueue,
    handler,
    run_due,
    timer,
    try_again,
)
from app.foundation.mail import enqueue_letter, enqueue_mail, is_address, link

__all__ = [
    "Claimed",
    "Job",
    "JobState",
    "count_dead",
    "dead_jobs",
    "enqueue",
    "enqueue_letter",
    "enqueue_mail",
    "handler",
    "is_address",
    "link",
    "run_due",
    "timer",
    "try_again",
]
