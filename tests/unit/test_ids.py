"""Identifiers: ordered by time, routed by their slot, the same whenever a command is folded again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.ids import (
    ALPHABET,
    BUCKETS,
    SLOT_BITS,
    SLOT_PROBES,
    bucket_of,
    command_id,
    derive_id,
    slot_candidates,
    slot_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOTS = st.integers(0, (1 << SLOT_BITS) - 1)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(4000, 1, 1), timezones=st.just(UTC))
ENTROPY = st.binary(min_size=10, max_size=16)

reproducible = settings(deadline=None, derandomize=True)


def numeric(base32: str) -> int:
    number = 0
    for character in base32:
        number = number * 32 + ALPHABET.index(character)
    return number


def test_alphabet_is_crockfords_in_byte_order() -> None:
    assert sorted(ALPHABET) == list(ALPHABET)
    assert len(set(ALPHABET)) == 32
    assert set("ilou").isdisjoint(ALPHABET)


@reproducible
@given(INSTANTS, ENTROPY)
def test_command_id_is_a_uuid7_of_its_time(now: datetime, entropy: bytes) -> None:
    identifier = command_id(now, entropy)
    uuid = UUID(int=numeric(identifier))
    assert len(identifier) == 26
    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"
    assert uuid.int >> 80 == (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@reproducible
@given(INSTANTS, st.integers(1, 10**10), ENTROPY, ENTROPY, SLOTS, SLOTS)
def test_ids_sort_by_time(
    earlier: datetime, later_by_ms: int, first: bytes, second: bytes, slot: int, other: int
) -> None:
    before = command_id(earlier, first)
    behind = command_id(earlier + timedelta(milliseconds=later_by_ms), second)
    assert before < behind
    assert derive_id("pi", before, slot) < derive_id("pi", behind, other)


def test_a_millisecond_later_is_another_one_where_a_float_of_it_is_not() -> None:
    moment = datetime(2004, 9, 21, 8, 39, 31, tzinfo=UTC)
    assert command_id(moment, b"\xff" * 10) < command_id(moment + timedelta(milliseconds=1), bytes(10))


@reproducible
@given(st.lists(st.tuples(INSTANTS, ENTROPY), min_size=2, max_size=20))
def test_text_order_is_numeric_order(made: list[tuple[datetime, bytes]]) -> None:
    identifiers = [command_id(*one) for one in made]
    assert sorted(identifiers) == sorted(identifiers, key=numeric)
    assert sorted(identifiers) == sorted(identifiers, key=str.encode)


@reproducible
@given(SLOTS, st.sampled_from(["pi", "re", "txn", "att"]), ENTROPY)
def test_slot_survives(slot: int, prefix: str, entropy: bytes) -> None:
    identifier = derive_id(prefix, command_id(NOON, entropy), slot)
    assert identifier.startswith(f"{prefix}_")
    assert len(identifier) == len(prefix) + 1 + 26 + 6
    assert slot_of(identifier) == slot


def test_derived_ids_are_a_function_of_their_command() -> None:
    command, other = command_id(NOON, bytes(10)), command_id(NOON, b"\x01" * 10)
    made = [
        derive_id("pi", command, 7),
        derive_id("re", command, 7),
        derive_id("pi", command, 7, 1),
        derive_id("pi", other, 7),
    ]
    assert derive_id("pi", command, 7) == made[0]
    assert len({identifier.partition("_")[2] for identifier in made}) == len(made)
    assert all(UUID(int=numeric(one.partition("_")[2][:26])).version == 7 for one in made)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "_",
        "pi_",
        "pi_123",
        "pi_" + "0" * 31,
        "pi_" + "0" * 33,
        "pi_" + "0" * 31 + "u",
        "pi_" + "0" * 31 + "A",
        "pi_" + "0" * 31 + "\x00",
        "pi_" + "0" * 31 + "٣",
        "sys:bank:simulator:USD",
        "merchant_test",
    ],
)
def test_anything_else_has_no_slot(garbage: str) -> None:
    assert slot_of(garbage) is None


@reproducible
@given(st.text(max_size=50))
def test_slot_of_never_raises(text: str) -> None:
    assert slot_of(text) is None or len(text.rpartition("_")[2]) == 32


def test_slot_candidates_are_distinct_and_stable() -> None:
    candidates = slot_candidates("merchant_test")
    assert len(set(candidates)) == SLOT_PROBES
    assert candidates == slot_candidates("merchant_test")
    assert all(0 <= slot < 1 << SLOT_BITS for slot in candidates)
    assert set(candidates).isdisjoint(slot_candidates("merchant_tess"))


def test_buckets_are_all_used() -> None:
    assert {bucket_of(f"merchant-{number}") for number in range(5_000)} == set(range(BUCKETS))
