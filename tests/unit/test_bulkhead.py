from __future__ import annotations

import threading

import pytest

from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason
from payflow.psp.bulkhead import PspSlots


def test_a_psp_gets_no_more_than_its_share_and_others_still_have_theirs() -> None:
    slots = PspSlots(total_max=3, per_psp_max=2, retry_after_s=0.5)
    with slots.hold(Endpoint("slow", "")), slots.hold(Endpoint("slow", "")):
        with pytest.raises(PayFlowError) as refused, slots.hold(Endpoint("slow", "")):
            pass
        assert refused.value.reason is Reason.OVERLOADED
        assert refused.value.retry_after_s == 0.5
        assert [slots.has_room(Endpoint(psp, "")) for psp in ("slow", "quick")] == [False, True]
        with slots.hold(Endpoint("quick", "")):
            assert slots.held() == 3
            assert not slots.has_room(Endpoint("third", ""))
            with pytest.raises(PayFlowError), slots.hold(Endpoint("third", "")):
                pass
    assert slots.held() == 0


def test_a_place_is_given_back_when_the_block_fails() -> None:
    slots = PspSlots(total_max=1, per_psp_max=1)
    with pytest.raises(ZeroDivisionError), slots.hold(Endpoint("psp", "")):
        raise ZeroDivisionError
    with slots.hold(Endpoint("psp", "")):
        assert slots.held() == 1


def test_shares_that_make_no_sense_are_refused() -> None:
    for total_max, per_psp_max in ((0, 0), (2, 3), (2, 0)):
        with pytest.raises(ValueError, match="per_psp_max"):
            PspSlots(total_max, per_psp_max)


def test_racing_threads_never_hold_more_than_the_limits() -> None:
    slots = PspSlots(total_max=4, per_psp_max=3)
    lock = threading.Lock()
    inside: list[str] = []
    seen: list[tuple[int, int]] = []
    refused = 0

    def wait_for_psp(key: str) -> None:
        nonlocal refused
        for _ in range(300):
            try:
                with slots.hold(Endpoint(key, "")):
                    with lock:
                        inside.append(key)
                        seen.append((len(inside), inside.count(key)))
                    with lock:
                        inside.remove(key)
            except PayFlowError:
                with lock:
                    refused += 1

    threads = [threading.Thread(target=wait_for_psp, args=(f"psp{number % 2}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) + refused == 12 * 300
    assert max(total for total, _ in seen) <= 4
    assert max(of_one for _, of_one in seen) <= 3
    assert slots.held() == 0
