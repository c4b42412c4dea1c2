"""Page tokens hold a position and belong to one query."""

from __future__ import annotations

import base64
import string

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.errors import PayFlowError, Reason
from payflow.v1 import ledger_pb2
from server.rpc.services import page_token

QUERY = ("payment_intents", "shop", "CREATED")
POSITION = "pi_01k8000000e0080000000000000000007v"
POSITIONS = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40
)


def refused(token: str, *query: str) -> None:
    with pytest.raises(PayFlowError) as error:
        page_token.decode(token, *query)
    assert error.value.reason is Reason.VALIDATION_FAILED
    assert [violation.field for violation in error.value.fields] == ["page_token"]


@settings(deadline=None, derandomize=True)
@given(POSITIONS, st.lists(st.text(max_size=10), max_size=4))
def test_position_survives(position: str, query: list[str]) -> None:
    token = page_token.encode(position, *query)
    assert set(token) <= {*string.ascii_letters, *string.digits, "-", "_"}
    assert page_token.decode(token, *query) == position


def test_no_token_is_the_beginning() -> None:
    assert page_token.decode("", *QUERY) == ""
    assert page_token.decode_number("", *QUERY) == 0


@pytest.mark.parametrize(
    "query",
    [
        ("refunds", "shop", "CREATED"),
        ("payment_intents", "stall", "CREATED"),
        ("payment_intents", "shop", ""),
        ("payment_intents", "shop"),
        ("payment_intentsshop", "", "CREATED"),
        (),
    ],
)
def test_token_of_another_query_is_refused(query: tuple[str, ...]) -> None:
    refused(page_token.encode(POSITION, *query), *QUERY)


def raw(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "not base64!",
        "é",
        "A" * 513,
        raw(b"12345678"),
        raw(b"short"),
        page_token.encode(POSITION, *QUERY)[:10],
        page_token.encode("", *QUERY),
        page_token.encode("a\x00b", *QUERY),
    ],
)
def test_broken_token_is_refused(token: str) -> None:
    refused(token, *QUERY)


def test_position_that_is_not_text_is_refused() -> None:
    digest = base64.urlsafe_b64decode(page_token.encode("xxxx", *QUERY))[:8]
    refused(raw(digest + b"\xff\xfe"), *QUERY)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=60))
def test_garbage_never_gets_through(token: str) -> None:
    if token:
        refused(token, *QUERY)


def test_number_as_position() -> None:
    assert page_token.decode_number(page_token.encode("41", *QUERY), *QUERY) == 41
    with pytest.raises(PayFlowError):
        page_token.decode_number(page_token.encode("-1", *QUERY), *QUERY)


def test_numbers_as_position() -> None:
    assert page_token.numbers(f"0:7:{2**63 - 1}", 3) == [0, 7, 2**63 - 1]
    for position in ("", "1:2", "1:2:3:4", "1:2:-3", "1:2:x", "1::3", f"1:2:{2**63}", "1:2:" + "9" * 400):
        with pytest.raises(PayFlowError):
            page_token.numbers(position, 3)


def test_a_token_belongs_to_everything_that_its_request_asks_for() -> None:
    asked = ledger_pb2.ListAccountsRequest(merchant_id="shop", metadata={"a": "1", "b": "2"})
    query = page_token.query_of(asked)
    same = ledger_pb2.ListAccountsRequest(
        merchant_id="shop", metadata={"b": "2", "a": "1"}, page_size=7, page_token="x"
    )
    assert page_token.query_of(same) == query
    others: list[Message] = [
        ledger_pb2.ListAccountsRequest(merchant_id="shop"),
        ledger_pb2.ListAccountsRequest(merchant_id="shop", metadata={"a": "1", "b": "3"}),
        ledger_pb2.ListAccountsRequest(merchant_id="shop", metadata=asked.metadata, currency="USD"),
        ledger_pb2.ListTransactionsRequest(merchant_id="shop", metadata=asked.metadata),
        ledger_pb2.ListAccountsRequest(merchant_id="stall", metadata=asked.metadata),
    ]
    assert query not in {page_token.query_of(other) for other in others}
    # They have no other field in common: the type alone tells these apart.
    empty = (ledger_pb2.ListAccountsRequest(), ledger_pb2.ListTransactionsRequest())
    assert len({page_token.query_of(one) for one in empty}) == 2


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (500, 500)])
def test_page_size(asked: int, size: int) -> None:
    assert page_token.page_size(asked) == size


def test_page_size_of_a_listing_with_larger_pages() -> None:
    assert page_token.page_size(0, default=5_000, most=5_000) == 5_000
    assert page_token.page_size(501, default=5_000, most=5_000) == 501
    with pytest.raises(PayFlowError, match="from 1 to 5000"):
        page_token.page_size(5_001, default=5_000, most=5_000)


@pytest.mark.parametrize("asked", [-1, 501, 2**31 - 1])
def test_page_size_out_of_bounds(asked: int) -> None:
    with pytest.raises(PayFlowError) as error:
        page_token.page_size(asked)
    assert [violation.field for violation in error.value.fields] == ["page_size"]
