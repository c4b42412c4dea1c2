"""A gateway in a process of its own, and the smallest client that shows what it answers."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.waiting import WAIT_S

_PROGRAM = """
import sys, json
from server.config import Settings
from server.gateway.limits import Limits
from server.gateway.process import run
settings, limits = json.loads(sys.argv[1])
sys.exit(run(Settings(api_port=0, **settings), Limits(**limits)))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    json: Any

    @property
    def error(self) -> tuple[int, str, str]:
        """Code, status and reason, of which the code must be the HTTP status."""
        error = self.json["error"]
        assert error["code"] == self.status
        return self.status, error["status"], error["reason"]

    @property
    def fields(self) -> list[str]:
        """The fields that the error's BadRequest names."""
        return [
            violation["field"]
            for detail in self.json["error"]["details"]
            for violation in detail.get("field_violations", [])
        ]


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    process: subprocess.Popen[str]
    port: int

    def connect(self) -> closing[http.client.HTTPConnection]:
        """A connection for several requests, to be used in a `with`."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S))

    def call(
        self, http_method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own; a body that is not bytes is sent as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with self.connect() as connection:
            connection.request(http_method, path, body, sent)
            return read_answer(connection)


def read_answer(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    text = response.read()
    return Answer(
        response.status, {name.lower(): value for name, value in response.getheaders()}, json.loads(text)
    )


@contextmanager
def running_gateway(
    grpc_port: int, *, limits: Mapping[str, object] | None = None, **settings: object
) -> Iterator[GatewayProcess]:
    """A gateway on a free port, ended when the block ends."""
    arguments = json.dumps([{"grpc_port": grpc_port, **settings}, dict(limits or {})])
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    try:
        yield GatewayProcess(process, _announced_port(process))
    finally:
        process.kill()
        process.communicate()


def _announced_port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        found = re.search(r"ready on http://127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("the gateway did not start:\n" + "".join(lines))
