"""One stack for every module in this directory; each test has a merchant of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.databases import Database
from tests.http_payments import HttpCaller
from tests.ledger_caller import LedgerCaller, opened_books
from tests.payments import Caller
from tests.stack import Stack, running_stack
from tests.waiting import WAIT_S

# No call is taken for lost because the machine is slow.
API_TIMEOUT = f"{WAIT_S:g}s"


@pytest.fixture(scope="session")
def stack(
    new_database: Callable[[], Database], tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[Stack]:
    settings = {"REDIS_URL": valkey_url, "API_TIMEOUT": API_TIMEOUT}
    with running_stack(new_database(), tmp_path_factory.mktemp("api"), **settings) as running:
        yield running


@pytest.fixture(scope="session")
def address(stack: Stack) -> str:
    """Where the gRPC server listens."""
    return stack.serve()


@pytest.fixture(scope="session")
def http(stack: Stack, address: str) -> Iterator[HttpCaller]:
    """A caller of the gateway in front of it."""
    with HttpCaller(stack.gateway(address)) as caller:
        yield caller


@pytest.fixture
def caller(address: str) -> Iterator[Caller]:
    """A caller for a merchant that nobody has heard of."""
    with Caller(address, f"merchant_{uuid4().hex}") as one:
        yield one


@pytest.fixture
def books(address: str) -> Iterator[LedgerCaller]:
    """A caller for a new merchant whose book has the accounts of tests.ledger_caller.BOOKS."""
    with opened_books(address, f"merchant_{uuid4().hex}") as one:
        yield one
