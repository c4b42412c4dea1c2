"""One account at a PSP, as it is reached: what fails or is overloaded, for whichever merchant asks."""

from __future__ import annotations

from typing import NamedTuple


# A tuple, because a routing decision looks things up by it several times an account: its hash is cheap.
class Endpoint(NamedTuple):
    """A connector and the credentials that it is used with."""

    connector: str
    credential_ref: str
