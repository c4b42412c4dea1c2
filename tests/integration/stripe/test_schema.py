"""Every request that the connector can make, held against Stripe's schema, and Stripe's sample answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from payflow.domain.psp_outcome import OperationType
from payflow.psp.stripe import lookup, requests
from payflow.psp.stripe.accounts import Accounts
from payflow.psp.stripe.objects import Page, Payment, Refund
from payflow.psp.stripe.session import Session
from server.connectors import ConnectorSettings
from tests.stripe_calls import authorization, modification
from tests.stripe_double.stripe_mock import running_stripe_mock
from tests.waiting import WAIT_S

BACK = {"return_url": "https://shop.example/back"}
RESUMED = modification(OperationType.AUTHORIZE, "pi_1")
WINDOWS = lookup.windows(datetime(2030, 1, 2, tzinfo=UTC))

Ask = Callable[[Session], Any]
REQUESTS: dict[str, list[Ask]] = {
    "create": [
        lambda to: to.create(requests.authorization(authorization(), 1000), "key"),
        lambda to: to.create(requests.authorization(authorization(sale=True, **BACK), 1000), "key"),
        lambda to: to.create(requests.shut_out(authorization()), "key"),
        lambda to: to.create(requests.shut_out(modification(OperationType.REFUND, "pi_1")), "key"),
    ],
    "payment": [lambda to: to.payment("pi_1")],
    "confirm": [
        lambda to: to.confirm("pi_1", requests.confirmation(RESUMED), "key"),
        lambda to: to.confirm("pi_1", requests.confirmation(authorization(**BACK)), "key"),
    ],
    "capture": [lambda to: to.capture("pi_1", requests.capture(600), "key")],
    "cancel": [lambda to: to.cancel("pi_1", "key")],
    "abandon": [lambda to: to.abandon("pi_1")],
    "page": [
        lambda to: to.page({}),
        lambda to: to.page(WINDOWS[0]),
        lambda to: to.page({**WINDOWS[1], "starting_after": "pi_1"}),
    ],
    "create_refund": [
        lambda to: to.create_refund(requests.refund(modification(OperationType.REFUND, "pi_1"), 600), "key")
    ],
    "refund": [lambda to: to.refund("re_1")],
    "refunds": [lambda to: to.refunds("pi_1"), lambda to: to.refunds("pi_1", "re_1")],
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session with stripe-mock."""
    with running_stripe_mock(tmp_path_factory.mktemp("stripe-mock")) as url:
        settings = ConnectorSettings({"STRIPE_API_BASE": url, "STRIPE_API_KEY": "sk_test_123"})
        accounts = Accounts(settings, WAIT_S)
        yield accounts.session("")
        accounts.close()


def test_no_request_of_the_connector_is_left_out() -> None:
    made = {name for name, value in vars(Session).items() if callable(value) and not name.startswith("_")}
    assert made == REQUESTS.keys()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(ask, id=f"{name}-{number}")
        for name, asks in REQUESTS.items()
        for number, ask in enumerate(asks)
    ],
)
def test_stripe_takes_the_request_and_its_answer_is_understood(session: Session, ask: Ask) -> None:
    assert isinstance(ask(session), Payment | Refund | Page)


def test_the_schema_is_held_against_requests(session: Session) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        session.create({"amount": 1000, "currency": "usd", "no_such_parameter": True}, "key")  # type: ignore[typeddict-unknown-key]
