"""How much of the time sealing takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.worker.sealing import PATIENCE, SHARE_MIN, share


@pytest.mark.parametrize("behind", [timedelta(), timedelta(seconds=1), PATIENCE, timedelta(seconds=-5)])
def test_sealing_that_keeps_up_leaves_nearly_all_of_the_time_to_others(behind: timedelta) -> None:
    assert share(behind) == SHARE_MIN


def test_sealing_that_falls_behind_takes_more_and_more_and_all_of_it_in_the_end() -> None:
    minutes = [share(PATIENCE + timedelta(minutes=number)) for number in range(20)]
    assert minutes[1] == 2 * SHARE_MIN
    assert minutes == sorted(minutes)
    assert minutes[5] == minutes[-1] == 1
