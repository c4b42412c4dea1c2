"""localstripe's HTTP API as the front uses it."""

from __future__ import annotations

import aiohttp

from tests.stripe_double.answers import Answer, Object, RefusedError, invalid

HEADERS = {"Authorization": "Bearer sk_test_localstripe"}
EVERYTHING = 1_000_000


class Upstream:
    """One localstripe."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client

    async def post(self, path: str, data: dict[str, str]) -> Answer:
        """Asks for something to be done."""
        async with self._client.post(self._url + path, data=data, headers=HEADERS) as response:
            return Answer(response.status, await response.json())

    async def get(self, path: str) -> Object:
        """An object, or a whole list. Raises RefusedError where there is none."""
        async with self._client.get(self._url + path, headers=HEADERS) as response:
            if response.status != 200:
                raise RefusedError(invalid("resource_missing", status=404, param="id"))
            body: Object = await response.json()
            return body

    async def list(self, path: str) -> list[Object]:
        """All objects of a kind, oldest first."""
        listed: list[Object] = (await self.get(f"{path}?limit={EVERYTHING}"))["data"]
        return listed

    async def forget(self) -> None:
        """Empties it."""
        async with self._client.delete(f"{self._url}/_config/data") as response:
            assert response.status == 200
