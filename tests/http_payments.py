"""A caller of PayFlow, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import urllib3

from tests.waiting import WAIT_S


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def replayed(self) -> bool:
        """Whether it is a stored one."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def error(self) -> tuple[int, str, str]:
        """HTTP status, canonical code and reason of an error."""
        error = self.json["error"]
        assert error["code"] == self.status
        return self.status, error["status"], error["reason"]

    @property
    def fields(self) -> list[str]:
        """The fields that an error names."""
        details = self.json["error"]["details"]
        return [violation["field"] for detail in details for violation in detail.get("field_violations", ())]


class HttpCaller:
    """Speaks to one gateway. Every changing call has a fresh key unless one is given; "" sends none."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=WAIT_S)

    def __enter__(self) -> HttpCaller:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def post(self, path: str, body: object = None, key: str | None = None, **headers: str) -> HttpReply:
        """POST; a body that is not bytes is sent as JSON, None sends none."""
        return self.send("POST", path, body, str(uuid4()) if key is None else key, **headers)

    def patch(self, path: str, body: object, key: str | None = None) -> HttpReply:
        """PATCH."""
        return self.send("PATCH", path, body, str(uuid4()) if key is None else key)

    def put(self, path: str, body: object, key: str | None = None) -> HttpReply:
        """PUT."""
        return self.send("PUT", path, body, str(uuid4()) if key is None else key)

    def get(self, path: str) -> HttpReply:
        """GET."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: object = None, key: str = "", **headers: str) -> HttpReply:
        """One request; ``content_type`` as a keyword is the header of that name."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["idempotency-key"] = key
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        response = self._pool.request(method, f"{self.url}{path}", body=body, headers=sent)
        names = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status, names, response.data)
