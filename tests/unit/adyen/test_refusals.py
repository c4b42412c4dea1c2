from __future__ import annotations

import pytest

from payflow.domain.declines import TAXONOMY, Category
from payflow.domain.psp_outcome import Advice
from payflow.psp.adyen.refusals import ERRORS, REFUSALS, error, refusal

# Approved, pending and partially approved: Adyen numbers them with the refusals, but refuses nothing.
NOT_REFUSED = {1, 13, 30}
PUBLISHED = [str(code) for code in range(47) if code not in NOT_REFUSED]
# 0 is Adyen's own word for "nobody says why".
UNEXPLAINED = {"0"}

FRAUD = ["14", "20", "22", "31"]
# What an issuer or Adyen refuses for good: repeating it costs fees, and schemes forbid some of it.
FOR_GOOD = ["0", "2", "3", "5", "10", "15", "21", "23", "25", "26", "27", "46"]


def test_every_published_reason_is_known_and_means_something() -> None:
    assert list(REFUSALS) == PUBLISHED
    assert {code for code, canonical in REFUSALS.items() if canonical == "unknown_decline"} == UNEXPLAINED


@pytest.mark.parametrize("code", PUBLISHED)
def test_a_reason_becomes_a_failure_of_the_taxonomy_and_keeps_adyens_code(code: str) -> None:
    failed = refusal(code)

    assert (failed.code, failed.psp_code) == (REFUSALS[code], code)
    assert failed.message == TAXONOMY[REFUSALS[code]].message


@pytest.mark.parametrize("code", FRAUD)
def test_fraud_is_never_tried_again(code: str) -> None:
    assert TAXONOMY[REFUSALS[code]].category is Category.FRAUD
    assert refusal(code).advice is Advice.NEVER


@pytest.mark.parametrize("code", FOR_GOOD)
def test_what_is_refused_for_good_is_never_tried_again(code: str) -> None:
    assert refusal(code).advice is Advice.NEVER
    assert not refusal(code).retryable


def test_only_what_failed_between_adyen_and_the_issuer_is_tried_elsewhere() -> None:
    elsewhere = [code for code in REFUSALS if refusal(code).advice is Advice.RETRY_ELSEWHERE]
    assert elsewhere == ["4"]


@pytest.mark.parametrize("code", ["", "47", "999", "02", "Refused", "not a code"])
def test_a_reason_of_tomorrow_is_safe(code: str) -> None:
    failed = refusal(code)

    assert (failed.code, failed.psp_code, failed.advice) == ("unknown_decline", code, Advice.NEVER)


@pytest.mark.parametrize(("code", "canonical"), ERRORS.items())
def test_an_error_that_declines_is_known_with_and_without_what_adyen_adds_to_it(
    code: str, canonical: str
) -> None:
    for written in (code, f"{code}_3"):
        failed = error(written)
        assert failed is not None
        assert (failed.code, failed.psp_code) == (canonical, written)


@pytest.mark.parametrize("code", ["", "14_030", "702", "901", "1010"])
def test_an_error_that_says_only_that_the_request_is_wrong_declines_nothing(code: str) -> None:
    assert error(code) is None
