"""Which services the stack brings itself, and which the environment names."""

from __future__ import annotations

from dataclasses import dataclass

from server.config import Settings
from server.dev.console import TerminalConsole
from server.dev.data_dir import DataDir
from server.dev.postgres import APPLICATION, OWNER, EmbeddedPostgres, service_user
from server.dev.process import Command
from server.dev.services import KafkaBroker, Valkey
from server.dev.wheels import let_everyone_run_postgres, let_everyone_through, postgres_programs
from server.ports import free_port


@dataclass(frozen=True, slots=True)
class Services:
    """Where the database, the cache and the broker are; those that are ours, or None."""

    database_url: str
    migrate_database_url: str
    redis_url: str
    kafka_brokers: str
    postgres: EmbeddedPostgres | None
    valkey: Valkey | None
    kafka: KafkaBroker | None

    def commands(self) -> list[Command]:
        """The processes of those that are ours."""
        ours = (self.postgres, self.valkey, self.kafka)
        return [service.command() for service in ours if service is not None]


def prepare_services(settings: Settings, data_dir: DataDir, console: TerminalConsole) -> Services:
    """Everything up to the start of the services that ``settings`` names no address of."""
    sockets = data_dir.fresh_sockets()
    postgres = None
    database_url, migrate_database_url = settings.database_url, settings.migrate_database_url
    if database_url is None or migrate_database_url is None:
        postgres = EmbeddedPostgres(data_dir.postgres, sockets, service_user())
        if postgres.user is not None:
            _let_service_user_through(data_dir, console)
        with console.step("database files are in place"):
            postgres.prepare()
        database_url, migrate_database_url = postgres.url(APPLICATION), postgres.url(OWNER)
    valkey = None if settings.redis_url else Valkey(data_dir.valkey(), sockets / "valkey.sock")
    kafka = None if settings.kafka_brokers else KafkaBroker(free_port())
    return Services(
        database_url=database_url,
        migrate_database_url=migrate_database_url,
        redis_url=valkey.url() if valkey else str(settings.redis_url),
        kafka_brokers=kafka.addresses() if kafka else str(settings.kafka_brokers),
        postgres=postgres,
        valkey=valkey,
        kafka=kafka,
    )


def _let_service_user_through(data_dir: DataDir, console: TerminalConsole) -> None:
    """PostgreSQL, which refuses to run as root, must get at its programs and its data."""
    let_everyone_run_postgres()
    for path in (data_dir.path, postgres_programs()):
        for directory in let_everyone_through(path):
            console.say(f"  other users may now pass through {directory}: PostgreSQL does not run as root")
