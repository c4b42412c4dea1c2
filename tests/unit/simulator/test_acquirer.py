"""The simulated PSP by itself, with a clock in hand: payments, keys, look-up and shut-out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from payflow.psp.simulator.answers import KEY_REUSED, Approved, Declined, NotFound, ShutOut
from payflow.psp.simulator.requests import Operation
from tests.simulated_bank import START, TTL, WINDOW, Bank, key, opened_bank


@pytest.fixture
def bank() -> Iterator[Bank]:
    with opened_bank() as bank:
        yield bank


def test_an_authorization_can_be_captured_until_it_expires(bank: Bank) -> None:
    first, second = bank.opened("a1"), bank.opened("a2")
    bank.now = START + TTL - timedelta(microseconds=1)
    assert bank.ask(Operation.CAPTURE, "c1", 100, first) == Approved(first)
    bank.now = START + TTL
    assert bank.declines(Operation.CAPTURE, "c2", 100, second) == "authorization_expired"
    assert bank.ask(Operation.CANCEL, "v2", 100, second) == Approved(second)


def test_a_payment_is_captured_once_and_what_was_left_is_gone(bank: Bank) -> None:
    payment = bank.opened()
    assert bank.declines(Operation.CAPTURE, "c1", 101, payment) == "amount_exceeds_authorized"
    assert bank.declines(Operation.CAPTURE, "c2", 60, payment, currency="EUR") == "currency_mismatch"
    assert bank.ask(Operation.CAPTURE, "c3", 60, payment) == Approved(payment)
    assert bank.declines(Operation.CAPTURE, "c4", 40, payment) == "invalid_state"
    assert bank.declines(Operation.CANCEL, "v", 100, payment) == "invalid_state"
    assert bank.moved() == [("authorize", "a", 100, 1), ("capture", "c3", 60, 1)]


def test_refunds_together_stay_within_the_capture(bank: Bank) -> None:
    payment = bank.opened()
    assert bank.declines(Operation.REFUND, "r0", 1, payment) == "invalid_state"
    bank.ask(Operation.CAPTURE, "c", 60, payment)
    refunds = [bank.ask(Operation.REFUND, f"r{amount}", amount, payment) for amount in (20, 39)]
    assert len({answer.id for answer in refunds if isinstance(answer, Approved)} - {payment}) == 2
    assert bank.declines(Operation.REFUND, "r3", 2, payment) == "amount_exceeds_captured"
    assert isinstance(bank.ask(Operation.REFUND, "r4", 1, payment), Approved)


def test_a_sale_takes_the_money_at_once(bank: Bank) -> None:
    payment = bank.opened(sale=True)
    assert bank.moved() == [("sale", "a", 100, 1)]
    assert bank.declines(Operation.CAPTURE, "c", 100, payment) == "invalid_state"
    assert isinstance(bank.ask(Operation.REFUND, "r", 100, payment), Approved)


@pytest.mark.parametrize("sale", [False, True])
def test_a_challenged_payment_moves_when_it_is_confirmed(bank: Bank, sale: bool) -> None:
    payment = bank.opened(card="pm_card_3ds", sale=sale)
    assert bank.moved() == []
    assert bank.declines(Operation.CAPTURE, "c", 100, payment) == "invalid_state"
    assert bank.declines(Operation.CONFIRM, "f1", 99, payment) == "amount_mismatch"
    assert isinstance(bank.ask(Operation.CONFIRM, "f2", 100, payment), Approved)
    assert bank.moved() == [("sale" if sale else "authorize", "f2", 100, 1)]
    assert bank.declines(Operation.CONFIRM, "f3", 100, payment) == "invalid_state"


def test_a_challenged_payment_can_be_canceled_and_nothing_was_held(bank: Bank) -> None:
    payment = bank.opened(card="pm_card_3ds")
    bank.ask(Operation.CANCEL, "v", 100, payment)
    assert bank.moved() == [("cancel", "v", 0, 1)]


def test_a_cancel_voids_what_was_held_whatever_amount_it_names(bank: Bank) -> None:
    payment = bank.opened()
    bank.ask(Operation.CANCEL, "v", 1, payment, currency="EUR")
    canceled = bank.psp.effects.page(1, 1)[0]
    assert (canceled.operation, canceled.amount, canceled.currency) == ("cancel", 100, "USD")


def test_a_payment_is_known_to_its_own_account_only(bank: Bank) -> None:
    payment = bank.opened()
    assert bank.declines(Operation.CAPTURE, "c", 100, payment, merchant="other") == "payment_not_found"
    assert isinstance(bank.ask(Operation.AUTHORIZE, "a", merchant="other"), Approved)
    assert bank.psp.acquirer.look_up(key("c")) == NotFound()


def test_inside_its_window_a_key_answers_the_same_again(bank: Bank) -> None:
    first = bank.ask(Operation.AUTHORIZE, "a")
    bank.now += WINDOW - timedelta(microseconds=1)
    assert bank.ask(Operation.AUTHORIZE, "a") == first
    assert bank.ask(Operation.AUTHORIZE, "a", 99) == KEY_REUSED
    assert bank.ask(Operation.CANCEL, "a") == KEY_REUSED
    assert bank.moved() == [("authorize", "a", 100, 1)]


def test_a_decline_is_kept_under_its_key_as_well(bank: Bank) -> None:
    payment = bank.opened()
    assert bank.declines(Operation.REFUND, "r", 100, payment) == "invalid_state"
    bank.ask(Operation.CAPTURE, "c", 100, payment)
    assert bank.declines(Operation.REFUND, "r", 100, payment) == "invalid_state"


def test_outside_its_window_a_key_is_executed_again_and_the_effects_show_it(bank: Bank) -> None:
    first = bank.ask(Operation.AUTHORIZE, "a")
    bank.now += WINDOW
    assert bank.ask(Operation.AUTHORIZE, "a") != first
    assert bank.moved() == [("authorize", "a", 100, 1), ("authorize", "a", 100, 2)]


def test_look_up_tells_of_the_execution_that_moved_money(bank: Bank) -> None:
    payment = bank.opened()
    bank.ask(Operation.CAPTURE, "c", 100, payment)
    bank.now += WINDOW
    assert bank.declines(Operation.CAPTURE, "c", 100, payment) == "invalid_state"
    assert bank.psp.acquirer.look_up(key("c")) == Approved(payment)


def test_a_key_that_was_shut_out_is_never_executed(bank: Bank) -> None:
    assert bank.psp.acquirer.look_up(key("a")) == NotFound()
    assert bank.psp.acquirer.shut_out(key("a")) == ShutOut()
    assert bank.ask(Operation.AUTHORIZE, "a") == ShutOut()
    bank.now += 10 * WINDOW
    assert bank.ask(Operation.AUTHORIZE, "a") == ShutOut()
    assert bank.psp.acquirer.look_up(key("a")) == bank.psp.acquirer.shut_out(key("a")) == ShutOut()
    assert isinstance(bank.ask(Operation.AUTHORIZE, "a", merchant="other"), Approved)


def test_a_key_that_was_executed_is_not_shut_out(bank: Bank) -> None:
    payment = bank.opened()
    bank.now += 10 * WINDOW
    assert (
        bank.psp.acquirer.shut_out(key("a"))
        == bank.psp.acquirer.look_up(key("a"))
        == Approved(payment, START + TTL)
    )
    assert isinstance(bank.ask(Operation.CAPTURE, "c", 100, payment), Declined)
    assert len(bank.moved()) == 1


def test_the_clock_can_be_turned_ahead(bank: Bank) -> None:
    first = bank.ask(Operation.AUTHORIZE, "a")
    bank.behave(clock_offset_s=60)
    assert bank.ask(Operation.AUTHORIZE, "a") != first
