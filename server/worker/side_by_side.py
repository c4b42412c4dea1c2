"""Background work in parallel: a bounded number of tasks at a time, each failing for itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from payflow.commands.call import Call
from payflow.domain.errors import PayFlowError
from payflow.domain.folding.submission import Origin

log = logging.getLogger(__name__)

CONCURRENT_MAX = 16
READ_TIMEOUT_S = 5.0


def side_by_side(tasks: Sequence[Callable[[], None]], stops: Callable[[], bool]) -> None:
    """Runs all of them, those left out that ``stops`` comes before."""
    with ThreadPoolExecutor(CONCURRENT_MAX) as executor:
        for finished in [executor.submit(_unless_stopped, task, stops) for task in tasks]:
            finished.result()


def background_call(actor: str, correlation_id: str) -> Call:
    """A call that no caller waits for."""
    return Call(Origin(actor, correlation_id), deadline=None)


def _unless_stopped(task: Callable[[], None], stops: Callable[[], bool]) -> None:
    if stops():
        return
    try:
        task()
    except PayFlowError as error:
        log.info("left for later: %s", error)
    except Exception:
        log.exception("background work failed")
