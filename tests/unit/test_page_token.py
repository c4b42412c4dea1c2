"""Page tokens hold a position and belong to one query."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.errors import PayFlowError, Reason
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


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (500, 500)])
def test_page_size(asked: int, size: int) -> None:
    assert page_token.page_size(asked) == size


@pytest.mark.parametrize("asked", [-1, 501, 2**31 - 1])
def test_page_size_out_of_bounds(asked: int) -> None:
    with pytest.raises(PayFlowError) as error:
        page_token.page_size(asked)
    assert [violation.field for violation in error.value.fields] == ["page_size"]
