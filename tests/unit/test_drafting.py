from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ledger import drafting
from payflow.domain.ledger.transaction import Layer, Posting, Terms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = ("wallet", 5, "USD")


def refusal(call: Callable[[], object]) -> str:
    """The field that a refusal names."""
    with pytest.raises(PayFlowError) as refused:
        call()
    assert refused.value.reason is Reason.VALIDATION_FAILED
    return refused.value.fields[0].field


def test_lines_become_postings_of_the_layer() -> None:
    made = drafting.postings([("a", 5, "USD"), ("b", -5, "USD")], Layer.PENDING)
    assert made == (Posting("a", 5, "USD", Layer.PENDING), Posting("b", -5, "USD", Layer.PENDING))


@pytest.mark.parametrize("count", [2, 100])
def test_as_many_entries_as_allowed(count: int) -> None:
    assert len(drafting.postings([LINE] * count, Layer.POSTED)) == count


@pytest.mark.parametrize("count", [0, 1, 101])
def test_too_few_or_too_many_entries(count: int) -> None:
    assert refusal(lambda: drafting.postings([LINE] * count, Layer.POSTED)) == "entries"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (("wallet", 0, "USD"), "entries[1].amount"),
        (("wallet", -(2**63), "USD"), "entries[1].amount"),
        (("wallet", 5, "usd"), "entries[1].currency"),
        (("wallet", 5, "XXX"), "entries[1].currency"),
        (("", 5, "USD"), "entries[1].account_id"),
        (("two words", 5, "USD"), "entries[1].account_id"),
        (("sys:bank:acc:USD", 5, "USD"), "entries[1].account_id"),
    ],
)
def test_a_bad_line_is_named(line: tuple[str, int, str], field: str) -> None:
    assert refusal(lambda: drafting.postings([LINE, line], Layer.POSTED)) == field


def test_terms_of_a_hold() -> None:
    later = NOW + timedelta(seconds=1)
    assert drafting.terms("r", NOW, later, pending=True) == Terms("r", NOW, later)


def test_only_a_hold_lapses() -> None:
    assert refusal(lambda: drafting.terms("", None, NOW, pending=False)) == "expires_at"


def test_a_reference_is_bounded() -> None:
    assert drafting.terms("r" * 200, None, None, pending=False).reference == "r" * 200
    assert refusal(lambda: drafting.terms("r" * 201, None, None, False)) == "reference"


def test_expected_versions_are_bounded() -> None:
    assert drafting.expected_versions({"a": 0, "b": 7}) == {"a": 0, "b": 7}
    assert refusal(lambda: drafting.expected_versions({"a": -1})) == "expected_versions[a]"
    many = {f"a{number}": 1 for number in range(101)}
    assert refusal(lambda: drafting.expected_versions(many)) == "expected_versions"
