"""A database as tests are given it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.services import PostgresServer

APPLICATION_USER = "payflow_app"
APPLICATION_PASSWORD = "application-password"


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways in: as the owner, who may do anything, and as the application with its few rights."""

    owner_url: str
    application_url: str

    @classmethod
    def on(cls, server: PostgresServer, name: str) -> Database:
        return cls(server.url(name), server.url(name, APPLICATION_USER, APPLICATION_PASSWORD))
