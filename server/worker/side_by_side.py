"""A batch of background work, many tasks at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from payflow.domain.errors import PayFlowError

log = logging.getLogger(__name__)

CONCURRENT_MAX = 16

Task = Callable[[], None]


def run_side_by_side(tasks: Sequence[Task], stops: Callable[[], bool]) -> None:
    """Runs all and waits for them; none is begun once ``stops`` says so. What fails is logged and left."""
    with ThreadPoolExecutor(CONCURRENT_MAX) as executor:
        for finished in [executor.submit(_unless_stopped, task, stops) for task in tasks]:
            finished.result()


def _unless_stopped(task: Task, stops: Callable[[], bool]) -> None:
    if stops():
        return
    try:
        task()
    except PayFlowError as error:
        log.info("left for later: %s", error)
    except Exception:
        log.exception("background work failed")
