"""The PSP accounts that a new merchant has from the start."""

from __future__ import annotations

import pytest

from payflow.domain.merchant.commands import CreateMerchant, DefaultAccount
from payflow.domain.merchant.decide import decide
from payflow.domain.merchant.events import MerchantCreated, PspAccountCreated
from payflow.domain.merchant.state import Mode
from payflow.psp.simulator.connector import default_accounts
from server.connectors import ConnectorSettings

FIRST = DefaultAccount("simulator", "simulator", "", 100)
SECOND = DefaultAccount("simulator_b", "simulator", "B", 200)


@pytest.mark.parametrize(
    ("environment", "accounts"),
    [
        ({}, (FIRST,)),
        ({"SIMULATOR_URL": "http://a"}, (FIRST,)),
        ({"SIMULATOR_URL": "http://a", "B_SIMULATOR_URL": "http://b"}, (FIRST, SECOND)),
    ],
)
def test_there_is_one_for_each_simulator(
    environment: dict[str, str], accounts: tuple[DefaultAccount, ...]
) -> None:
    assert default_accounts(ConnectorSettings(environment)) == accounts


def test_a_merchant_in_test_mode_has_them_with_the_usual_fees_and_one_in_live_mode_has_none() -> None:
    command = CreateMerchant("shop", default_accounts=(FIRST, SECOND))
    created, *accounts = decide(None, command, frozenset())
    assert isinstance(created, MerchantCreated)
    assert accounts == [
        PspAccountCreated("simulator", "simulator", 300, 0, "", 100),
        PspAccountCreated("simulator_b", "simulator", 300, 0, "B", 200),
    ]
    live = CreateMerchant("shop", mode=Mode.LIVE, default_accounts=(FIRST, SECOND))
    assert len(decide(None, live, frozenset())) == 1
