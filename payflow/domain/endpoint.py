"""One account at a PSP, as it is reached: what fails or is overloaded, for whichever merchant asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A connector and the credentials that it is used with."""

    connector: str
    credential_ref: str
