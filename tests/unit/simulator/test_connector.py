"""What the connector makes of everything that a PSP and a network can do to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain import declines
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.connector import Connector, PspCall
from payflow.psp.simulator.connector import (
    OVERLOADED,
    SHUT_OUT,
    UNREACHABLE,
    SimulatorConnector,
    outcome_of,
)
from payflow.psp.transport import ANSWER_BYTES_MAX, NeverSent, NoReply, Reply, Transport
from tests.scripted_psp import Act, Script, answer, close, dribble, dribble_headers, http, unused_url
from tests.waiting import WAIT_S, wait_until

SILENCE_S = 1.0

CALL = PspCall(OperationType.AUTHORIZE, "key-1", "m", "acc", "", 1000, "USD", "pm_card_visa")
APPROVED = {"result": "approved", "id": "p"}


@contextmanager
def scripted(*acts: Act, timeout_s: float = WAIT_S) -> Iterator[tuple[Script, SimulatorConnector]]:
    with Script(list(acts)) as script:
        connector = SimulatorConnector(lambda _: script.url, timeout_s, 60)
        try:
            yield script, connector
        finally:
            connector.close()


def test_fulfils_the_protocol() -> None:
    connector: Connector = SimulatorConnector(lambda _: unused_url(), 1.5, 60)
    assert (connector.name, connector.timeout_s, connector.capabilities.key_window_s) == (
        "simulator",
        1.5,
        60,
    )


FAILURE = {"code": "suspected_fraud", "message": "No."}
UNKNOWN_ANSWERS = [
    (500, b'{"result":"approved","id":"p"}'),
    (503, b'{"result":"refused","code":"invalid_request","message":"Too many."}'),
    (200, b"<html>login</html>"),
    (200, b""),
    (200, b"\xff\xfe"),
    (200, b'{"result":"approved"}'),
    (200, b'{"result":"shut_out"}'),
    (200, b'{"result":"declined","id":"p","failure":{"code":"c","message":"m"}}'),
    (429, b"slow down"),
    (200, b'{"result":"overloaded"}'),
    (200, b'{"result":"new","id":"p"}'),
    (301, b'{"result":"approved","id":"p"}'),
    (404, b'{"result":"not_found"}'),
    (404, b"Not Found"),
    (400, b'{"result":"refused","code":"key_reused","message":"m"}'),
]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, APPROVED, Approved("p")),
        (
            200,
            {**APPROVED, "expires_at": "2030-01-02T03:04:05Z"},
            Approved("p", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ),
        (
            200,
            {"result": "requires_action", "id": "p", "redirect_url": "https://x"},
            ActionRequired("p", NextAction("redirect", "https://x")),
        ),
        (
            402,
            {"result": "declined", "id": "p", "failure": FAILURE},
            Declined(declines.failure("fraud", "suspected_fraud"), "p"),
        ),
        (410, {"result": "shut_out"}, SHUT_OUT),
    ],
)
def test_definite_answers(status: int, body: object, outcome: Outcome) -> None:
    with scripted(*[answer(status, body)] * 3) as (script, connector):
        assert connector.execute(CALL) == outcome
        assert connector.look_up(CALL) == outcome
        assert connector.cancel_by_reference(CALL) == outcome
    assert len(script.requests) == 3


@pytest.mark.parametrize(("status", "body"), UNKNOWN_ANSWERS)
def test_whatever_else_is_unknown_and_not_repeated(status: int, body: bytes) -> None:
    with scripted(http(status, body)) as (script, connector):
        assert isinstance(connector.execute(CALL), Unknown)
    assert len(script.requests) == 1


@given(st.integers(100, 599), st.one_of(st.binary(), st.sampled_from([body for _, body in UNKNOWN_ANSWERS])))
def test_no_answer_raises_and_only_answers_of_the_right_status_say_anything(status: int, body: bytes) -> None:
    outcome = outcome_of(Reply(status, body))
    assert isinstance(outcome, Unknown) or status in (200, 400, 402, 410)
    assert not isinstance(outcome, Unknown) or outcome.repeatable is (status >= 500 or status == 429)


def test_only_a_reply_about_the_key_tells_that_it_is_not_found() -> None:
    with scripted(answer(404, {"result": "not_found"}), http(404, b"Not Found")) as (_, connector):
        assert connector.look_up(CALL) is None
        assert isinstance(connector.look_up(CALL), Unknown)


def test_an_invalid_request_was_not_executed_but_an_invalid_question_proves_nothing() -> None:
    refused = answer(400, {"result": "refused", "code": "invalid_request", "message": "m"})
    with scripted(refused, refused, refused) as (_, connector):
        assert isinstance(connector.execute(CALL), NotExecuted)
        assert isinstance(connector.look_up(CALL), Unknown)
        assert isinstance(connector.cancel_by_reference(CALL), Unknown)


def test_what_was_taken_in_is_neither_shut_out_nor_finished() -> None:
    taken_in = answer(202, {"result": "accepted", "id": "p"})
    with scripted(taken_in, taken_in) as (_, connector):
        assert connector.look_up(CALL) == Accepted("p")
        assert isinstance(connector.cancel_by_reference(CALL), Unknown)


def test_too_many_requests_prove_that_this_one_was_not_executed_and_nothing_of_others() -> None:
    busy = answer(429, {"result": "overloaded"})
    with scripted(busy, busy, busy) as (_, connector):
        assert connector.execute(CALL) == OVERLOADED
        assert isinstance(connector.look_up(CALL), Unknown)
        assert isinstance(connector.cancel_by_reference(CALL), Unknown)


def test_too_many_requests_after_a_broken_connection_are_no_proof() -> None:
    with scripted(close, answer(429, {"result": "overloaded"})) as (_, connector):
        assert isinstance(connector.execute(CALL), Unknown)


def test_a_refused_connection_proves_that_nothing_was_executed_now_but_nothing_of_earlier_calls() -> None:
    nowhere = unused_url()
    connector = SimulatorConnector(lambda _: nowhere, WAIT_S, 60)
    assert connector.execute(CALL) == UNREACHABLE
    assert isinstance(connector.look_up(CALL), Unknown)
    assert isinstance(connector.cancel_by_reference(CALL), Unknown)


def test_a_broken_connection_is_repeated_once_with_the_same_request() -> None:
    with scripted(close, answer(200, APPROVED)) as (script, connector):
        assert connector.execute(CALL) == Approved("p")
    assert len(script.requests) == 2
    assert script.requests[0] == script.requests[1]
    assert b'"reference":"key-1"' in script.requests[0]


def test_a_kept_connection_that_the_psp_closed_costs_nothing() -> None:
    def answer_and_close(connection: socket.socket) -> None:
        answer(200, APPROVED)(connection)
        connection.close()

    with scripted(answer_and_close, answer(200, APPROVED)) as (script, connector):
        assert connector.execute(CALL) == Approved("p")
        assert connector.execute(CALL) == Approved("p")
    assert len(script.requests) == 2


def test_broken_twice_is_unknown() -> None:
    with scripted(close, close, answer(200, APPROVED)) as (script, connector):
        outcome = connector.execute(CALL)
        assert isinstance(outcome, Unknown) and outcome.repeatable
        assert len(script.requests) == 2
        assert connector.execute(CALL) == Approved("p")


def test_a_refused_connection_after_a_broken_one_is_no_proof() -> None:
    with scripted(close) as (script, connector):
        assert isinstance(connector.execute(CALL), Unknown)
    assert len(script.requests) == 1


def test_silence_is_unknown_after_the_time_out_and_not_repeated() -> None:
    def silence(_: socket.socket) -> None:
        return

    with scripted(silence, timeout_s=SILENCE_S) as (script, connector):
        started_s = time.monotonic()
        outcome = connector.execute(CALL)
        assert time.monotonic() - started_s > SILENCE_S - 0.05
        wait_until(lambda: outcome == UNREACHABLE or len(script.requests) == 1)
    if script.requests:
        assert isinstance(outcome, Unknown) and not outcome.repeatable
    else:  # the machine stood still until it was too late to send anything
        assert outcome == UNREACHABLE
    assert len(script.requests) <= 1


@pytest.mark.parametrize("act", [dribble, dribble_headers])
def test_a_slow_answer_is_bounded_as_a_whole(act: Act) -> None:
    with Script([act]) as script:
        hasty = Transport(script.url, timeout_s=1.5)
        assert isinstance(hasty.post("/capture", b"{}"), NoReply), "it waited for the whole of it"
        hasty.close()


def test_a_long_answer_is_bounded() -> None:
    with scripted(http(200, b" " * (ANSWER_BYTES_MAX + 1) + b'{"result":"approved","id":"p"}')) as (
        _,
        connector,
    ):
        assert isinstance(connector.execute(CALL), Unknown)


def test_an_answer_that_cannot_be_decoded_is_unknown() -> None:
    with scripted(http(200, b"abc", "Content-Encoding: gzip\r\n")) as (_, connector):
        assert isinstance(connector.execute(CALL), Unknown)


def test_a_call_that_finds_no_free_connection_is_never_sent() -> None:
    with Script([answer(200, APPROVED)]) as script:
        full = Transport(script.url, timeout_s=0.1, connections_max=0)
        assert isinstance(full.post("/capture", b"{}"), NeverSent)
        free = Transport(script.url, timeout_s=WAIT_S, connections_max=1)
        assert isinstance(free.post("/capture", b"{}"), Reply)
        free.close()
    assert len(script.requests) == 1
