from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.databases import Database
from tests.sealed_books import book_at_random

MERCHANTS = ("keeping", "paying")
STEPS = 20


@pytest.fixture(scope="package")
def booked(new_database: Callable[[], Database]) -> Database:
    """A ledger that is not sealed; tests work on copies."""
    made = new_database()
    book_at_random(made, MERCHANTS, STEPS)
    return made
