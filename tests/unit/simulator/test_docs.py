"""docs/psp/simulator.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.reasons import CANONICAL
from payflow.psp.simulator.tokens import TOKENS
from payflow.psp.simulator.webhooks import EventType

PAGE = (Path(__file__).parents[3] / "docs/psp/simulator.md").read_text()
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_it_shows_the_settings_of_a_calm_psp() -> None:
    assert msgspec.json.decode(BLOCKS[0]) == msgspec.json.decode(msgspec.json.encode(Behaviour()))


def test_it_names_every_token() -> None:
    described = {token for token in TOKENS if f"`{token}`" in PAGE}
    by_pattern = {
        token for token in TOKENS if token.startswith("pm_card_decline_") or token.endswith("_once")
    }
    assert described | by_pattern == TOKENS.keys()
    assert {token.removesuffix("_once") for token in by_pattern if token.endswith("_once")} <= described


def test_it_names_every_code_that_is_not_named_as_payflows() -> None:
    renamed = {code for code, canonical in CANONICAL.items() if code != canonical}
    assert {code for code in renamed if f"`{code}`" in PAGE} == renamed


def test_it_names_every_webhook() -> None:
    assert {told for told in EventType if f"`{told}`" in PAGE} == set(EventType)
