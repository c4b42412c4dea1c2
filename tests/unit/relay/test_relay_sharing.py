from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payflow.events.relay.sharing import share_of
from payflow.store.relay.parts import BUCKETS_OF_PART, PARTS, part_of

RELAYS = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=2 * PARTS)


@given(RELAYS)
def test_shares_are_all_parts_and_differ_by_one_at_most(alive: set[str]) -> None:
    shares = [share_of(relay, alive) for relay in alive]
    assert sum(shares) == PARTS
    assert max(shares) - min(shares) <= 1


@given(RELAYS, st.text(min_size=1, max_size=4))
def test_who_is_not_known_to_the_others_yet_counts_itself(alive: set[str], newcomer: str) -> None:
    assert share_of(newcomer, alive) == share_of(newcomer, {*alive, newcomer})


@given(st.text(max_size=20))
def test_every_merchant_belongs_to_one_part(merchant_id: str) -> None:
    assert 0 <= part_of(merchant_id) < PARTS
    assert PARTS * BUCKETS_OF_PART == 256
