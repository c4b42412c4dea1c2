from __future__ import annotations

import re
from pathlib import Path

import pytest

from payflow.domain.declines import TAXONOMY, Category, Decline, failure, is_user_fault
from payflow.domain.psp_outcome import Advice

RETRYABLE = {Advice.RETRY_ELSEWHERE, Advice.RETRY_LATER}


@pytest.mark.parametrize(("code", "decline"), TAXONOMY.items())
def test_nothing_that_looks_like_fraud_or_a_fault_of_ours_or_is_unknown_is_tried_again(
    code: str, decline: Decline
) -> None:
    if decline.category in (Category.FRAUD, Category.INTEGRATION, Category.UNKNOWN):
        assert decline.advice is Advice.NEVER
        assert not failure(code).retryable


@pytest.mark.parametrize(("code", "decline"), TAXONOMY.items())
def test_only_what_fails_at_the_psp_is_tried_elsewhere(code: str, decline: Decline) -> None:
    assert (decline.advice is Advice.RETRY_ELSEWHERE) is (decline.category is Category.PSP)


@pytest.mark.parametrize(("code", "decline"), TAXONOMY.items())
def test_a_failure_says_what_the_table_says(code: str, decline: Decline) -> None:
    failed = failure(code, "their_code")

    assert re.fullmatch("[a-z]+(_[a-z]+)*", code)
    assert (failed.code, failed.psp_code, failed.message) == (code, "their_code", decline.message)
    assert failed.advice is decline.advice
    assert failed.retryable is (decline.advice in RETRYABLE)


def test_callers_cannot_tell_one_kind_of_fraud_from_another_by_its_message() -> None:
    messages = {one.message for one in TAXONOMY.values() if one.category is Category.FRAUD}
    assert messages <= {"The payment was refused.", "The card is blocked."}


@pytest.mark.parametrize("code", ["", "no_such_code", "insufficient funds", "INSUFFICIENT_FUNDS"])
def test_an_unknown_code_is_safe(code: str) -> None:
    failed = failure(code, "theirs")

    assert (failed.code, failed.psp_code) == ("unknown_decline", "theirs")
    assert (failed.retryable, failed.advice) == (False, Advice.NEVER)
    assert not is_user_fault(failed)


def test_what_a_payer_can_mend_says_nothing_of_the_psp() -> None:
    assert is_user_fault(failure("insufficient_funds"))
    assert is_user_fault(failure("incorrect_cvc"))
    assert is_user_fault(failure("authentication_required"))
    assert not is_user_fault(failure("acquirer_error"))
    assert not is_user_fault(failure("card_declined"))


def test_the_page_lists_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "declines.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    assert listed == [
        (code, one.category.name.lower(), one.advice.lower(), one.message) for code, one in TAXONOMY.items()
    ]
