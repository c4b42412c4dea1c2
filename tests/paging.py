"""Walks through the pages of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class PagedRequest(Protocol):
    """A request for a page."""

    page_token: str


def pages(rpc: Callable[..., Any], request: PagedRequest) -> list[Any]:
    """Every page, from the first to the last; ``request`` ends up asking for the last one."""
    found = [rpc(request)]
    while found[-1].next_page_token:
        assert found[-1].next_page_token != request.page_token, "a page leads to itself"
        request.page_token = found[-1].next_page_token
        found.append(rpc(request))
    return found
