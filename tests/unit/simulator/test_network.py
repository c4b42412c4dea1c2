"""A request that is slow on its way to the simulated PSP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp.test_utils import make_mocked_request

from payflow.psp.simulator.answers import Answer, NotFound
from payflow.psp.simulator.network import Network, Passage
from tests.simulated_bank import Bank, key, opened_bank
from tests.waiting import WAIT_S


@pytest.fixture
def bank() -> Iterator[Bank]:
    with opened_bank() as bank:
        yield bank


def test_it_arrives_even_when_its_caller_has_given_up(bank: Bank) -> None:
    asyncio.run(_give_up_and_wait_for_the_arrival(bank))


async def _give_up_and_wait_for_the_arrival(bank: Bank) -> None:
    bank.behave(latency={"distribution": "fixed", "ms": 40})
    arrived = asyncio.Event()

    def act() -> Answer:
        arrived.set()
        return NotFound()

    network = Network(bank.psp.controls, bank.psp.executions)
    passage = Passage(key("a"), "authorize", act)
    caller = asyncio.create_task(network.carry(make_mocked_request("POST", "/authorize"), passage))
    await asyncio.sleep(0)
    caller.cancel()
    async with asyncio.timeout(WAIT_S):
        await arrived.wait()
    assert caller.cancelled()
