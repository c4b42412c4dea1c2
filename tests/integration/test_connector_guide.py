"""The connector that docs/connectors.md builds, taken from the page and used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from payflow.domain import declines
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, OperationType, Unknown
from payflow.psp.connector import (
    ENTRY_POINT_GROUP,
    Connector,
    Delivery,
    PspCall,
    Rejection,
    WebhookRejectedError,
)
from payflow.v1 import merchant_pb2
from payflow.v1 import payment_intent_pb2 as pb
from server.connectors import ConnectorSettings
from tests.books import assert_books_right
from tests.corner_pay import KEY, SECRET, CornerPay, running_corner_pay, webhook
from tests.databases import Database
from tests.in_process import InProcess, in_process

PAGE = Path(__file__).parents[2] / "docs" / "connectors.md"
LINES_MAX = 100
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = PspCall(OperationType.AUTHORIZE, "pi_1-1", "shop", "corner", "", 1_000, "EUR", "pm_card_visa")


def code() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def psp() -> Iterator[CornerPay]:
    with running_corner_pay() as running:
        yield running


@pytest.fixture
def connector(psp: CornerPay) -> Iterator[Connector]:
    module: dict[str, Any] = {}
    exec(compile(code(), str(PAGE), "exec"), module)
    settings = {"CORNERPAY_URL": psp.url, "CORNERPAY_KEY": KEY, "CORNERPAY_SECRET": SECRET}
    made: Connector = module["CornerPay"](ConnectorSettings(settings))
    yield made
    made.close()


def test_it_is_short() -> None:
    assert len(code().splitlines()) < LINES_MAX


def test_it_needs_what_it_says(connector: Connector) -> None:
    assert list(connector.missing_settings("")) == []
    assert list(connector.missing_settings("SHOP1")) == ["CORNERPAY_KEY", "CORNERPAY_SECRET"]


def test_it_tells_proof_from_ignorance(psp: CornerPay, connector: Connector) -> None:
    assert connector.look_up(CALL) is None
    psp.fails_with = 500
    assert connector.execute(CALL) == Unknown("HTTP 500", repeatable=True)
    assert isinstance(connector.look_up(CALL), Unknown)
    for status, code in ((422, "psp_refused_request"), (429, "psp_overloaded")):
        psp.fails_with = status
        assert connector.execute(CALL) == NotExecuted(declines.failure(code))
        assert isinstance(connector.look_up(CALL), Unknown)
    psp.fails_with = 0
    assert isinstance(connector.cancel_by_reference(CALL), NotExecuted)
    assert isinstance(connector.execute(CALL), NotExecuted)
    assert psp.executed == []


def test_it_knows_codes_and_not_texts(connector: Connector) -> None:
    declined = connector.execute(replace(CALL, payment_method="pm_card_declined"))
    assert isinstance(declined, Declined) and declined.failure.code == "insufficient_funds"
    odd = connector.execute(replace(CALL, psp_key="pi_1-2", payment_method="pm_card_odd"))
    assert isinstance(odd, Declined)
    assert (odd.failure.code, odd.failure.psp_code, odd.failure.retryable) == ("unknown_decline", "99", False)


def test_it_reads_signed_webhooks_only(connector: Connector) -> None:
    headers, body = webhook("pi_1-1", "authorize", "corner-1")
    [item] = connector.receive(Delivery(headers, body), "", NOW)
    assert item.reference == "pi_1-1"
    assert connector.interpret(item.content, "") == Notice(
        OperationType.AUTHORIZE, Approved("corner-1"), "pi_1-1", "corner-1"
    )
    for forged in (
        webhook("pi_1-1", "authorize", "corner-1", "guessed")[0],
        {},
        {"corner-signature": "\u00e9\udce9"},
    ):
        with pytest.raises(WebhookRejectedError) as rejected:
            connector.receive(Delivery(forged, body), "", NOW)
        assert rejected.value.rejection is Rejection.SIGNATURE_WRONG


@pytest.fixture
def payflow(
    new_database: Callable[[], Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, psp: CornerPay
) -> Iterator[InProcess]:
    """With the connector's package installed as pip installs one."""
    packages = tmp_path / "site-packages"
    metadata = packages / "payflow_cornerpay-1.0.0.dist-info"
    metadata.mkdir(parents=True)
    (packages / "payflow_cornerpay.py").write_text(code())
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: payflow-cornerpay\nVersion: 1.0.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{entry_point()}\n")
    monkeypatch.syspath_prepend(str(packages))
    settings = {"CORNERPAY_URL": psp.url, "CORNERPAY_KEY": KEY, "CORNERPAY_SECRET": SECRET}
    with in_process(new_database(), tmp_path, **settings) as running:
        yield running


def entry_point() -> str:
    """The line of the page's pyproject.toml."""
    toml = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert toml is not None
    [(name, value)] = tomllib.loads(toml[1])["project"]["entry-points"][ENTRY_POINT_GROUP].items()
    return f"{name} = {value}"


def test_a_payment_goes_through_it_once_it_is_installed(payflow: InProcess, psp: CornerPay) -> None:
    caller = payflow.caller
    caller.create()
    account = merchant_pb2.CreatePspAccountRequest(
        merchant_id=caller.merchant_id, id="corner", connector="cornerpay", priority=1
    )
    caller.reply(caller.merchants.CreatePspAccount, account)
    intent_id = caller.create(currency="EUR").id
    assert caller.authorize(intent_id).psp == "cornerpay"
    assert caller.capture(intent_id, 6_000).status == pb.PAYMENT_INTENT_STATUS_CAPTURED
    caller.refund(intent_id, 1_000)
    assert psp.executed == [("payments", 10_000), ("captures", 6_000), ("refunds", 1_000)]
    in_dollars = caller.authorize(caller.create(currency="USD").id)
    assert in_dollars.psp == "simulator", "what it declares decides what it is given"
    assert_books_right(payflow.url)
