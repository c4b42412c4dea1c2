from __future__ import annotations

import pytest

from payflow.events.relay.topic_log import is_before


@pytest.mark.parametrize(
    ("ends", "known", "lost"),
    [
        ([], [], False),
        ([0, 0], [], False),
        ([5, 7], [5, 7], False),
        ([5, 8], [5, 7], False),
        ([6, 6], [5, 7], True),
        ([0, 0], [0, 1], True),
        ([5, 7, 0], [5, 7], False),
        ([5], [5, 7], True),
        ([5], [5, 0], False),
    ],
)
def test_a_log_is_lost_when_a_partition_ends_before_where_it_ended(
    ends: list[int], known: list[int], lost: bool
) -> None:
    assert is_before(ends, known) is lost
