"""What the simulated PSP does after it has answered, with a clock in hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from payflow.psp.simulator.answers import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    Failure,
    NotFound,
)
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.requests import Operation
from payflow.psp.simulator.settling import NotWaitingError
from tests.simulated_bank import TTL, Bank, key, opened_bank

SECOND = timedelta(seconds=1)


@pytest.fixture
def bank() -> Iterator[Bank]:
    with opened_bank(announces=True) as bank:
        yield bank


def test_a_psp_that_lied_executes_what_it_declined_and_says_so(bank: Bank) -> None:
    lie = bank.ask(Operation.AUTHORIZE, "a", card="pm_card_late_success")
    assert isinstance(lie, Declined) and lie.failure.code == "acquirer_error"
    bank.settle(SECOND - timedelta(microseconds=1))
    assert (bank.moved(), bank.outcome("a")) == ([], lie)
    bank.settle(timedelta(microseconds=1))
    assert bank.moved() == [("authorize", "a", 100, 1)]
    assert bank.outcome("a") == Approved(lie.id, bank.now + TTL)
    assert bank.ask(Operation.AUTHORIZE, "a", card="pm_card_late_success") == lie
    assert bank.told() == [("true", "declined", "a"), ("true", "late_success", "a")]
    assert isinstance(bank.ask(Operation.CANCEL, "v", 100, lie.id), Approved)


@pytest.mark.parametrize(
    ("operation", "moved", "told_as"),
    [(Operation.CAPTURE, 60, "captured"), (Operation.CANCEL, 100, "canceled")],
)
def test_a_deferred_modification_is_accepted_and_finishes_later(
    bank: Bank, operation: Operation, moved: int, told_as: str
) -> None:
    payment = bank.opened(card="pm_card_deferred")
    assert bank.ask(operation, "m", 60, payment) == Accepted(payment)
    assert (bank.outcome("m"), len(bank.moved())) == (Accepted(payment), 1)
    bank.settle(SECOND)
    assert bank.outcome("m") == Approved(payment)
    assert bank.moved()[1:] == [(operation, "m", moved, 1)]
    assert bank.ask(operation, "m", 60, payment) == Accepted(payment)
    assert [told[1] for told in bank.told()] == ["authorized", told_as]


def test_deferred_refunds_finish_as_long_as_there_is_something_left(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_deferred", sale=True)
    first = bank.ask(Operation.REFUND, "r1", 60, payment)
    second = bank.ask(Operation.REFUND, "r2", 60, payment)
    assert isinstance(first, Accepted) and isinstance(second, Accepted)
    bank.settle(SECOND)
    assert bank.outcome("r1") == Approved(first.id)
    assert bank.outcome("r2") == Declined(
        payment, Failure("amount_exceeds_captured", "The refunds would be more than was captured.")
    )
    assert bank.moved()[1:] == [("refund", "r1", 60, 1)]


def test_a_deferred_capture_counts_from_when_it_was_accepted(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_deferred")
    bank.now += TTL - timedelta(microseconds=1)
    bank.ask(Operation.CAPTURE, "c", 100, payment)
    bank.settle(SECOND)
    assert bank.outcome("c") == Approved(payment)


def test_a_deferred_modification_that_its_rules_forbid_is_declined_at_once(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_deferred")
    assert bank.declines(Operation.CAPTURE, "c", 101, payment) == "amount_exceeds_authorized"


@pytest.mark.parametrize("deferred", [False, True])
def test_captures_and_refunds_can_be_declined(bank: Bank, deferred: bool) -> None:
    card = "pm_card_deferred_fails" if deferred else "pm_card_capture_declined"
    answer = bank.ask(Operation.CAPTURE, "c", 100, bank.opened("a1", card=card))
    sold = bank.opened("a2", card=card if deferred else "pm_card_refund_declined", sale=True)
    refund = bank.ask(Operation.REFUND, "r", 100, sold)
    assert isinstance(answer, Accepted if deferred else Declined)
    assert isinstance(refund, Accepted if deferred else Declined)
    bank.settle(SECOND)
    outcomes = [bank.outcome(reference) for reference in ("c", "r")]
    codes = [outcome.failure.code for outcome in outcomes if isinstance(outcome, Declined)]
    assert codes == ["capture_rejected", "refund_rejected"]
    assert len(bank.moved()) == 2


@pytest.mark.parametrize("sale", [False, True])
def test_a_capture_that_fails_later_is_taken_back(bank: Bank, sale: bool) -> None:
    payment = bank.opened(card="pm_card_capture_fails_later", sale=sale)
    reference = "a" if sale else "c"
    if not sale:
        assert bank.ask(Operation.CAPTURE, "c", 60, payment) == Approved(payment)
    bank.settle(SECOND)
    assert bank.moved()[-1] == ("capture_failed", reference, 100 if sale else 60, 1)
    assert bank.outcome(reference) == Declined(payment, Failure("capture_rejected"), after_success=True)
    assert bank.told()[-1] == ("true", "capture_failed", reference)
    assert bank.declines(Operation.REFUND, "r", 1, payment) == "invalid_state"


def test_a_capture_that_something_was_refunded_of_does_not_fail_any_more(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_capture_fails_later", sale=True)
    bank.ask(Operation.REFUND, "r", 1, payment)
    bank.settle(SECOND)
    assert bank.moved() == [("sale", "a", 100, 1), ("refund", "r", 1, 1)]
    assert isinstance(bank.outcome("a"), Approved)


def test_a_refund_that_fails_later_can_be_made_again(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_refund_fails_later", sale=True)
    first = bank.ask(Operation.REFUND, "r1", 100, payment)
    assert bank.declines(Operation.REFUND, "r2", 1, payment) == "amount_exceeds_captured"
    bank.settle(SECOND)
    assert bank.moved()[1:] == [("refund", "r1", 100, 1), ("refund_failed", "r1", 100, 1)]
    assert isinstance(first, Approved)
    assert bank.outcome("r1") == Declined(payment, Failure("refund_rejected"), after_success=True)
    assert isinstance(bank.ask(Operation.REFUND, "r3", 100, payment), Approved)


def test_a_challenge_can_be_failed(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_3ds_fails")
    assert bank.declines(Operation.CONFIRM, "f", 100, payment) == "challenge_failed"
    assert bank.moved() == []


@pytest.mark.parametrize("sale", [False, True])
def test_a_payer_who_acts_completes_the_payment_and_a_confirm_moves_nothing_more(
    bank: Bank, sale: bool
) -> None:
    payment = bank.opened(card="pm_card_3ds", sale=sale)
    outcome = bank.psp.settling.payer_acts(payment, None)
    assert isinstance(outcome, Approved)
    assert bank.outcome("a") == outcome
    assert bank.moved() == [("sale" if sale else "authorize", "a", 100, 1)]
    assert bank.told() == [("true", "action_completed", "a")]
    assert bank.ask(Operation.CONFIRM, "f", 100, payment, sale=sale) == outcome
    assert len(bank.moved()) == 1


@pytest.mark.parametrize(("card", "succeeds"), [("pm_card_3ds", False), ("pm_card_3ds_fails", None)])
def test_a_payer_can_fail(bank: Bank, card: str, succeeds: bool | None) -> None:
    payment = bank.opened(card=card)
    declined = Declined(payment, Failure("challenge_failed"))
    assert bank.psp.settling.payer_acts(payment, succeeds) == bank.outcome("a") == declined
    assert bank.ask(Operation.CONFIRM, "f", 100, payment) == declined
    assert bank.moved() == []


def test_a_payer_acts_once_and_only_where_they_are_asked(bank: Bank) -> None:
    challenged, plain = bank.opened("a1", card="pm_card_3ds"), bank.opened("a2")
    bank.psp.settling.payer_acts(challenged, None)
    for payment in (challenged, plain, "sim_pay_of_nobody"):
        with pytest.raises(NotWaitingError):
            bank.psp.settling.payer_acts(payment, None)


def test_chance_decides_where_no_token_does(bank: Bank) -> None:
    bank.behave(declines={"probability": 1, "codes": {"lost_card": 1}})
    declined = bank.ask(Operation.AUTHORIZE, "a1")
    assert isinstance(declined, Declined) and declined.failure.code == "lost_card"
    bank.behave(late_success={"probability": 1})
    lie = bank.ask(Operation.AUTHORIZE, "a2")
    assert isinstance(lie, Declined) and lie.failure.code == "acquirer_error"
    bank.behave(deferred={"probability": 1, "failing": 1})
    payment = bank.opened("a3")
    assert isinstance(bank.ask(Operation.CAPTURE, "c3", 100, payment), Accepted)
    bank.settle(SECOND)
    assert bank.outcome("c3") == Declined(payment, Failure("capture_rejected"))
    bank.behave(later_failures={"captures": 1, "refunds": 1})
    payment = bank.opened("a4")
    bank.ask(Operation.CAPTURE, "c4", 100, payment)
    bank.settle(SECOND)
    assert bank.moved()[-1] == ("capture_failed", "c4", 100, 1)


def test_turning_the_clock_brings_what_is_due(bank: Bank) -> None:
    bank.ask(Operation.AUTHORIZE, "a", card="pm_card_late_success")
    bank.behave(clock_offset_s=1)
    bank.settle()
    assert len(bank.moved()) == 1


def test_a_file_of_the_first_layout_is_brought_to_this_one(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(
            """
            CREATE TABLE executions (
                sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                psp_account TEXT NOT NULL, merchant TEXT NOT NULL, reference TEXT NOT NULL,
                execution INTEGER NOT NULL, operation TEXT NOT NULL, payment_id TEXT NOT NULL,
                id TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, result TEXT NOT NULL,
                executed_at_us INTEGER NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL,
                UNIQUE (psp_account, merchant, reference, execution)
            ) STRICT;
            CREATE TABLE payments (
                psp_account TEXT NOT NULL, merchant TEXT NOT NULL, id TEXT NOT NULL, payment BLOB NOT NULL,
                PRIMARY KEY (psp_account, merchant, id)
            ) STRICT, WITHOUT ROWID;
            INSERT INTO payments VALUES ('acc', 'm', 'sim_pay_0', cast(
                '{"id":"sim_pay_0","status":"captured","amount":100,"currency":"USD","sale":true,'
                || '"captured":100}' AS BLOB));
            INSERT INTO executions VALUES (1, 'acc', 'm', 'a', 1, 'sale', 'sim_pay_0', 'sim_pay_0',
                100, 'USD', 'approved', 1, cast('[]' AS BLOB),
                cast('{"result":"approved","id":"sim_pay_0"}' AS BLOB));
            """
        )
    old.close()
    for _ in range(2):
        database = Database(path)
        bank = Bank(database, announces=False)
        assert bank.moved()[:1] == [("sale", "a", 100, 1)]
        assert bank.outcome("a") == Approved("sim_pay_0")
        bank.ask(Operation.REFUND, "r", 100, "sim_pay_0")
        assert len(bank.moved()) == 2
        database.close()


def test_what_was_never_asked_is_not_found(bank: Bank) -> None:
    waiting = bank.ask(Operation.AUTHORIZE, "a", card="pm_card_3ds")
    assert isinstance(waiting, ActionRequired)
    assert bank.psp.acquirer.look_up(key("a", merchant="other")) == NotFound()
