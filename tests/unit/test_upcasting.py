"""Events of older releases are read as if today's had written them, and those of newer ones by nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.intent.events import PaymentIntentCaptured, RefundSucceeded
from payflow.domain.ledger import posting_rules
from payflow.domain.ledger.posting_rules import Book, Hold
from payflow.domain.ledger.transaction import (
    BookedEntry,
    BookedTransaction,
    DraftTransaction,
    TransactionStatus,
)
from payflow.domain.stored_event import StoredEvent
from payflow.events.replay.rebuilding import UnreadableEventError, rebuilt
from payflow.v1 import events_pb2 as pb
from payflow.wire.events import (
    BY_NAME,
    from_payload,
    read,
    schema_version,
    to_envelope,
    to_payload,
)
from payflow.wire.upcasting import UPCASTING, NewerEventError, Upcasting
from tests.golden_events import golden, newest
from tests.older_events import as_version_1

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GOLDEN = golden()
NAME = "merchant.updated"

AMOUNTS = st.integers(1, 10**12)
BOOKS = st.builds(
    Book, st.from_regex(r"[a-z0-9_-]{1,40}", fullmatch=True), st.sampled_from(["USD", "JPY", "KWD"])
)


def booked(draft: DraftTransaction) -> BookedTransaction:
    """A draft as some book recorded it."""
    entries = tuple(
        BookedEntry(one.account_id, one.layer, one.amount, one.currency, one.releases, 3, 7, 0, 0, True)
        for one in draft.postings
    )
    return BookedTransaction(
        draft.id, TransactionStatus.POSTED, entries, draft.resolves_transaction_id, "", NOW
    )


def test_there_are_bytes_of_every_version_of_every_type() -> None:
    versions = {(name, version) for name in BY_NAME for version in range(1, UPCASTING.newest(name) + 1)}
    assert set(GOLDEN) == versions, "python -m tests.golden_events adds what is missing"


@pytest.mark.parametrize(("name", "version"), GOLDEN, ids=str)
def test_bytes_of_any_version_are_read_as_what_is_written_now(name: str, version: int) -> None:
    event = from_payload(name, version, GOLDEN[name, version])
    assert event is not None
    assert to_payload(event) == GOLDEN[name, schema_version(event)] == newest(name)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_examples_have_every_field_set(name: str) -> None:
    message: Any = read(name, UPCASTING.newest(name), newest(name))
    set_fields = {field.name for field, _ in message.ListFields()}
    assert set_fields == set(message.DESCRIPTOR.fields_by_name)


@given(BOOKS, AMOUNTS, st.integers(0, 100), st.one_of(st.none(), AMOUNTS))
def test_a_capture_of_version_1_says_where_it_was(
    book: Book, amount: int, fee_percent: int, held: int | None
) -> None:
    hold = None if held is None else Hold("txn_held", held)
    fee = amount * fee_percent // 100
    transaction = booked(posting_rules.captured(book, "txn_1", amount, fee, hold))
    event = PaymentIntentCaptured(
        "att_1", "psp_1", amount, fee, transaction, book.currency, book.psp_account_id
    )
    old = as_version_1("payment_intent.captured", to_payload(event))
    assert from_payload("payment_intent.captured", 1, old) == event


@given(BOOKS, AMOUNTS)
def test_a_refund_of_version_1_says_what_was_given_back_and_where(book: Book, amount: int) -> None:
    transaction = booked(posting_rules.refunded(book, "txn_1", Hold("txn_held", amount)))
    event = RefundSucceeded("re_1", "att_1", "psp_1", transaction, amount, book.currency, book.psp_account_id)
    old = as_version_1("refund.succeeded", to_payload(event))
    assert from_payload("refund.succeeded", 1, old) == event


@given(st.integers(0, 6), st.data())
def test_a_message_goes_through_the_steps_from_its_version_on_in_order(
    steps: int, data: st.DataObject
) -> None:
    def step(number: int) -> Any:
        def append(message: pb.MerchantUpdated) -> None:
            message.name += f" {number}"

        return append

    chain = Upcasting({(NAME, number): step(number) for number in range(1, steps + 1)})
    version = data.draw(st.integers(1, steps + 1))
    message = pb.MerchantUpdated(name="as written")
    chain.upcast(NAME, version, message)
    assert message.name.split()[2:] == [str(number) for number in range(version, steps + 1)]
    assert chain.newest(NAME) == steps + 1
    assert chain.newest("another.type") == 1


@pytest.mark.parametrize("versions", [(2,), (1, 3), (0, 1)])
def test_steps_start_from_1_and_follow_each_other(versions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=NAME):
        Upcasting({(NAME, version): lambda message: None for version in versions})


def _stored(version: int, number: int = 1) -> StoredEvent:
    name = "payment_intent.captured"
    payload = GOLDEN[name, min(version, 2)]
    return StoredEvent("shop", "pi_1", number, name, version, payload, NOW, "caller", "c", "cause", "")


@pytest.mark.parametrize("version", [3, 99])
def test_what_a_newer_release_wrote_is_read_by_nobody(version: int, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NewerEventError, match=f"has layout {version}, .* a newer release wrote it"):
        read("payment_intent.captured", version, b"")
    with pytest.raises(
        UnreadableEventError, match=r"^shop pi_1 1: an event payment_intent\.captured has layout"
    ):
        list(rebuilt([_stored(version)]))
    envelope = to_envelope(_stored(version))
    assert (envelope.WhichOneof("data"), envelope.schema_version) == (None, version)
    assert "pi_1:1 is shown without its data" in caplog.text


def test_callers_see_an_older_event_in_the_newest_layout() -> None:
    old, new = to_envelope(_stored(1)), to_envelope(_stored(2))
    assert old == new
    assert (old.schema_version, old.payment_intent_captured.psp_account_id) == (2, "main")


def test_a_capture_that_books_nothing_at_a_psp_is_refused() -> None:
    payload = GOLDEN["payment_intent.captured", 1]
    message: Any = pb.PaymentIntentCaptured.FromString(payload)
    message.transaction.entries[0].account_id = "cash"
    with pytest.raises(ValueError, match="PaymentIntentCaptured books nothing at a PSP"):
        from_payload("payment_intent.captured", 1, message.SerializeToString())
