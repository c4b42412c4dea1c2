"""Posts one webhook to wherever a merchant's URL leads, and to nowhere that it must not lead.

The name is resolved here, each time, every address is looked at, and the connection goes to the very address
that was looked at: a name that changes in between changes nothing. Redirects and proxies are not followed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError, TimeoutError

from payflow.domain.merchant_webhooks.addresses import refusal_of
from payflow.domain.merchant_webhooks.delivery import Answer
from payflow.domain.merchant_webhooks.destination import Destination, Forbidden, destination
from payflow.psp.timed_reading import TimedConnection, TimedTlsConnection

CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 15.0
ADDRESSES_MAX = 4
ANSWER_BYTES_MAX = 16_384
USER_AGENT = "PayFlow-Webhooks/1"

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, or the one that it is, in the system's order. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class WebhookPost:
    """Any number of threads may use it."""

    def __init__(
        self, allows_private: bool = False, resolve: Resolve = resolve, ca_certs: str | None = None
    ) -> None:
        """``allows_private`` is for development. ``ca_certs`` is a file of authorities to trust."""
        self._allows_private = allows_private
        self._resolve = resolve
        self._ca_certs = ca_certs

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the endpoint answered. Resolving comes first; the rest takes TIMEOUT_S at most."""
        try:
            to = destination(url, self._allows_private)
            addresses = self._addresses(to)
        except Forbidden as forbidden:
            return Answer(None, f"the URL {forbidden}")
        sent = {**headers, "host": to.authority, "user-agent": USER_AGENT, "content-type": "application/json"}
        deadline = time.monotonic() + TIMEOUT_S
        answer = Answer(None, "the host name has no address")
        for address in addresses[:ADDRESSES_MAX]:
            try:
                return self._post(to, address, sent, body, deadline)
            except (NewConnectionError, ConnectTimeoutError):
                answer = Answer(None, "no connection could be made")
            except SSLError:
                return Answer(None, "TLS failed; the certificate has to be valid for the host")
            except TimeoutError:
                return Answer(None, "there was no answer in time")
            except HTTPError:
                return Answer(None, "the connection broke")
        return answer

    def _addresses(self, to: Destination) -> Sequence[str]:
        """Every address, if all of them may be called. Raises Forbidden."""
        # With the dot it is the whole name: none of the network's own is looked for behind it.
        name = to.host if to.is_literal or self._allows_private else f"{to.host}."
        try:
            found = self._resolve(name, to.port)
        except (OSError, UnicodeError):
            return []
        for address in found:
            reason = refusal_of(address, self._allows_private)
            if reason:
                raise Forbidden(f"must have a public address; the host has one that is {reason}")
        return found

    def _post(
        self, to: Destination, address: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Answer:
        left_s = max(deadline - time.monotonic(), 0.001)
        timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, left_s), total=left_s)
        with self._pool(to, address) as pool:
            response = pool.urlopen(
                "POST",
                to.target,
                body,
                headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=timeout,
                preload_content=False,
                decode_content=False,
            )
            # So that it may finish writing; what it says does not matter.
            with suppress(HTTPError):
                response.read(ANSWER_BYTES_MAX)
            response.close()
        return Answer(response.status, _detail(response.status), response.headers.get("retry-after", ""))

    def _pool(self, to: Destination, address: str) -> urllib3.HTTPConnectionPool:
        if to.scheme == "http":
            plain = urllib3.HTTPConnectionPool(address, to.port)
            plain.ConnectionCls = TimedConnection
            return plain
        pool = urllib3.HTTPSConnectionPool(
            address,
            to.port,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self._ca_certs,
            server_hostname=to.host,
            assert_hostname=to.host,
        )
        pool.ConnectionCls = TimedTlsConnection
        return pool


def _detail(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"the endpoint answered {status}; redirects are not followed"
    return f"the endpoint answered {status}"
