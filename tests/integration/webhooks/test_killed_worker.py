"""A worker process that dies between taking an event and applying it loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.signed_webhooks import line
from tests.waiting import WAIT_S, wait_until
from tests.webhook_stack import WebhookStack

AN_HOUR_S = "3600"


def started(stack: WebhookStack, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """``payflow worker``, see tests.killable_worker."""
    settings = {"PATH": os.environ["PATH"], "DATABASE_URL": stack.database.application_url}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.killable_worker"],
            env=settings | environment,
            stdout=output,
            stderr=output,
        )


def test_another_worker_finishes_what_a_killed_one_had_taken(stack: WebhookStack, tmp_path: Path) -> None:
    _, reference = stack.reference()
    stack.send(line("killed-1", reference))
    stack.clock.forward(seconds=1)
    stack.send(line("killed-2", reference))
    dying = started(stack, tmp_path / "dying.log", CLOCK_AHEAD_S="2", DIES="yes")
    assert dying.wait(WAIT_S) == -signal.SIGKILL, (tmp_path / "dying.log").read_text()
    first, second = stack.row("killed-1"), stack.row("killed-2")
    assert (first["state"], first["tries"]) == ("PENDING", 1)
    assert (second["state"], second["tries"]) == ("PENDING", 0)
    other = started(stack, tmp_path / "other.log", CLOCK_AHEAD_S=AN_HOUR_S)
    try:
        wait_until(lambda: stack.row("killed-2")["state"] != "PENDING")
    finally:
        other.terminate()
        assert other.wait(WAIT_S) == 0, (tmp_path / "other.log").read_text()
    assert [(stack.row(f"killed-{n}")["state"], stack.row(f"killed-{n}")["tries"]) for n in (1, 2)] == [
        ("IGNORED", 2),
        ("IGNORED", 1),
    ]
