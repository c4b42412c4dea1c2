"""A head as it is published and kept by others: enough to check the chain without the database."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from payflow.domain.proof.block import Block, BlockHeader, header_from_bytes


class UnreadableHeadError(ValueError):
    """What was read is not a published head."""


@dataclass(frozen=True, slots=True)
class PublishedHead:
    """A block's header and its signature."""

    header: BlockHeader
    signature: bytes
    key_id: str


def to_json(block: Block) -> bytes:
    """What is published of a block; ``header`` are the bytes whose hash the head is."""
    header = block.header
    fields = {
        "part": header.part,
        "number": header.number,
        "head": block.head.hex(),
        "header": base64.b64encode(header.to_bytes()).decode(),
        "signature": base64.b64encode(block.signature).decode(),
        "key_id": block.key_id,
        "sealed_at": header.sealed_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    return json.dumps(fields).encode()


def from_json(text: bytes) -> PublishedHead:
    """A head as it was published; only its ``header`` is believed. Raises UnreadableHeadError."""
    try:
        fields = json.loads(text)
        header = header_from_bytes(base64.b64decode(fields["header"], validate=True))
        signature, key_id = base64.b64decode(fields["signature"], validate=True), str(fields["key_id"])
        if not key_id.isprintable():
            raise ValueError("not a key's id")
        return PublishedHead(header, signature, key_id)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableHeadError(f"not a published head: {text[:80]!r}") from error
