"""URLs as a person may see them."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """``url`` with ``***`` for its password, before the host or as a query parameter.

    In doubt it hides more: a password may hold what should have been quoted.
    """
    hidden = re.sub(r"(://[^:/?#@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&](?:ssl)?password)=[^&]*", r"\1=***", hidden)
