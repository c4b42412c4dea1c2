"""Whatever somebody writes to the topic of heads is a head that there can be, or is refused as none."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime

import pytest

from payflow.domain.proof.block import PARTS, Block, BlockHeader
from payflow.domain.proof.published_head import UnreadableHeadError, from_json, to_json

HEADER = BlockHeader(3, 17, bytes(32), bytes(32), 2, 4, 40, -5, 2**64 - 1, datetime(2030, 1, 1, tzinfo=UTC))
PART, NUMBER, SEALED_AT = 16, 18, 122


def _published(**changed: str) -> bytes:
    text = json.loads(to_json(Block(HEADER, HEADER.head, bytes(64), "0123456789abcdef")))
    return json.dumps({**text, **changed}).encode()


def _header(at: int, layout: str, value: int) -> str:
    content = bytearray(HEADER.to_bytes())
    struct.pack_into(layout, content, at, value)
    return base64.b64encode(content).decode()


def test_a_head_is_read_as_it_was_published() -> None:
    assert from_json(_published()).header == HEADER


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        _published(header=_header(PART, ">H", PARTS)),
        _published(header=_header(NUMBER, ">Q", 2**63)),
        _published(header=_header(SEALED_AT, ">q", 2**63 - 1)),
        _published(header=_header(0, ">B", 0)),
        _published(key_id="a\0b"),
        _published(key_id="\ud800"),
        _published(signature="no Base64"),
    ],
)
def test_what_no_head_can_be_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableHeadError):
        from_json(text)


def test_numbers_without_room_in_a_header_are_refused() -> None:
    with pytest.raises(ValueError, match="not the numbers of a block's header"):
        BlockHeader(3, 17, bytes(32), bytes(32), -1, 4, 40, 5, 6, datetime(2030, 1, 1, tzinfo=UTC)).to_bytes()
