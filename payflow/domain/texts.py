"""Free text and metadata, which are kept apart from the events so that they can be erased."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Texts:
    """What a caller wrote about a thing."""

    text: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.text or self.metadata)

    def sha256(self) -> bytes:
        """What events hold in place of the texts."""
        canonical = json.dumps([self.text, dict(self.metadata)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).digest()
