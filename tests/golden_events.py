"""Bytes of every type and version of events, as the release that introduced it wrote them.

``python -m tests.golden_events`` adds what is missing, for a type or a version that is new, and never changes
what is there: those bytes are in databases.
"""

from __future__ import annotations

import json
from pathlib import Path

from payflow.wire.events import BY_DOMAIN, BY_NAME, to_payload
from payflow.wire.upcasting import UPCASTING
from tests.example_events import example

PATH = Path(__file__).with_name("golden_events.json")


def golden() -> dict[tuple[str, int], bytes]:
    """The bytes of one example, by type and version."""
    kept: dict[str, str] = json.loads(PATH.read_text())
    return {
        (name, int(version)): bytes.fromhex(content)
        for (name, _, version), content in ((key.partition(" "), content) for key, content in kept.items())
    }


def newest(name: str) -> bytes:
    """What today's code writes for the example of a type."""
    return to_payload(example(BY_NAME[name].domain))


def _add_missing() -> None:
    kept: dict[str, str] = json.loads(PATH.read_text()) if PATH.exists() else {}
    for one in BY_DOMAIN.values():
        kept.setdefault(f"{one.name} {UPCASTING.newest(one.name)}", newest(one.name).hex())
    PATH.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    _add_missing()
