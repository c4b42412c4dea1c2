"""The composition root: plugs stores, PSPs and use cases together for the processes."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import psycopg

from payflow.commands.ports import Ports
from payflow.domain.clock import Clock
from payflow.psp.bulkhead import PspSlots
from payflow.psp.performance import Performance
from payflow.psp.router import Router
from payflow.psp.simulator.connector import default_accounts
from payflow.store.commit.committer import Committer, OnCommit
from payflow.store.commit.keys_reader import KeysReader
from payflow.store.consumers.analytics_reader import AnalyticsReader
from payflow.store.consumers.dead_letters_reader import DeadLettersReader
from payflow.store.database.pool import PoolLimits
from payflow.store.database.read_pool import ReadPool
from payflow.store.database.write_pool import write_pool
from payflow.store.ledger.ledger_reader import LedgerReader
from payflow.store.merchant_webhooks.merchant_webhooks import MerchantWebhooks
from payflow.store.merchant_webhooks.webhook_endpoints import WebhookEndpoints
from payflow.store.merchants.merchant_directory import MerchantDirectory
from payflow.store.merchants.routing_directory import RoutingDirectory
from payflow.store.merchants.routing_reader import RoutingReader
from payflow.store.payments.attempts_reader import AttemptsReader
from payflow.store.payments.due_reader import DueReader
from payflow.store.payments.payments_reader import PaymentsReader
from payflow.store.redis import response_cache
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.rate_limiter import RateLimiter
from payflow.store.redis.response_cache import ResponseCache
from payflow.store.schema import readiness
from payflow.store.webhooks.inbox import WebhookInbox
from payflow.store.webhooks.queue import WebhookQueue
from payflow.v1 import (
    analytics_pb2,
    analytics_pb2_grpc,
    dead_letter_pb2,
    dead_letter_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    merchant_pb2,
    merchant_pb2_grpc,
    payment_intent_pb2,
    payment_intent_pb2_grpc,
    refund_pb2,
    refund_pb2_grpc,
    routing_pb2,
    routing_pb2_grpc,
    webhook_endpoint_pb2,
    webhook_endpoint_pb2_grpc,
    webhook_pb2,
    webhook_pb2_grpc,
)
from server.clock import SystemClock
from server.config import Settings, required_database_url
from server.connectors import ConnectorSettings, load_connectors
from server.psp_gate import build_gate
from server.rpc.application import Binding
from server.rpc.interceptors.rate_limit import CallRates
from server.rpc.services.analytics import Analytics
from server.rpc.services.dead_letters import DeadLetters
from server.rpc.services.ledger import Ledger
from server.rpc.services.merchants import Merchants
from server.rpc.services.payment_intents import PaymentIntents
from server.rpc.services.refunds import Refunds
from server.rpc.services.routing import Routing
from server.rpc.services.webhook_endpoints import WebhookEndpoints as WebhookEndpointServicer
from server.rpc.services.webhooks import Webhooks

log = logging.getLogger(__name__)

# A lease outlives the two calls that a recovery makes, and what the commits around them may take.
LEASE_MARGIN_S = 5.0
START_TIMEOUT_S = 15
READY_TIMEOUT_S = 2.0
DRAIN_POLL_S = 0.05


class Core:
    """What every process that touches payments holds open. Raises psycopg.Error where it is refused."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        conninfo = required_database_url(settings)
        # A database that refuses is told at the start, in its own words; one that is busy is waited for.
        psycopg.connect(conninfo, connect_timeout=START_TIMEOUT_S).close()
        self.pool = ReadPool(conninfo, _pool_limits(settings))
        self.pool.open(START_TIMEOUT_S)
        self.writes = write_pool(conninfo)
        self.writes.open(START_TIMEOUT_S)
        self.connectors = load_connectors(settings.environment)
        key_ttl = timedelta(seconds=settings.idempotency_ttl_s)
        self.redis = _redis(settings)
        self.limiter = RateLimiter(self.redis)
        self.cache = _cache(self.redis, self.pool, key_ttl)
        on_commit: OnCommit = self.cache.remember if self.cache else lambda changes: None
        lease_s = 2 * max(connector.timeout_s for connector in self.connectors.values()) + LEASE_MARGIN_S
        clock = clock or SystemClock()
        gate, self.breakers = build_gate(
            settings, self.connectors, self.redis, self.limiter, clock, probe_timeout_s=lease_s
        )
        self.lease = timedelta(seconds=lease_s)
        self.committer = Committer(conninfo, lease=self.lease, key_ttl=key_ttl, on_commit=on_commit)
        self.committer.start()
        self.due = DueReader(self.pool)
        self.webhooks = WebhookQueue(self.writes)
        self.slots = _slots(settings)
        routings = RoutingDirectory(self.pool)
        performance = Performance()
        router = Router(self.connectors, routings.find, performance, clock, gate.admits, self.slots.has_room)
        self.ports = Ports(
            clock=clock,
            entropy=os.urandom,
            pipeline=self.committer,
            payments=PaymentsReader(self.pool),
            attempts=AttemptsReader(self.pool),
            ledger=LedgerReader(self.pool),
            directory=MerchantDirectory(self.pool),
            cached_response=self.cache.response if self.cache else lambda merchant_id, claim, now: None,
            stored_response=KeysReader(self.pool).response,
            slots=self.slots,
            gate=gate,
            connectors=self.connectors,
            routings=routings,
            routing=RoutingReader(self.pool),
            route=router.route,
            learn=lambda account, outcome, elapsed_s: performance.learn(
                account, outcome, elapsed_s, clock.now()
            ),
            jitter=random.Random(),
            sleep=time.sleep,
            creates_merchants=True,
            webhook_endpoints=WebhookEndpoints(self.pool),
            inbox=WebhookInbox(self.pool, self.writes),
            dead_letters=DeadLettersReader(self.pool),
            default_accounts=default_accounts(ConnectorSettings(settings.environment)),
            merchant_webhooks=MerchantWebhooks(self.pool, self.writes),
            webhooks_allow_private=settings.webhooks_allow_private,
        )

    def close(self) -> None:
        """Commits what was accepted, then lets go of everything."""
        self.committer.close()
        if self.cache:
            self.cache.close()
        self.breakers.close()
        if self.redis:
            self.redis.close()
        for connector in self.connectors.values():
            connector.close()
        self.writes.close()
        self.pool.close()


class PayFlowApplication:
    """The services of the gRPC server. Fulfils server.rpc.application.Application."""

    def __init__(self, core: Core) -> None:
        """``core`` is closed with the application."""
        self._core = core
        self._known_as_safe = False
        self._warnings_given: set[str] = set()

    @property
    def bindings(self) -> Sequence[Binding]:
        """Every service of the contract."""
        ports = self._core.ports
        return (
            Binding(
                _service(payment_intent_pb2, "PaymentIntentService"),
                payment_intent_pb2_grpc.add_PaymentIntentServiceServicer_to_server,
                PaymentIntents(ports),
            ),
            Binding(
                _service(refund_pb2, "RefundService"),
                refund_pb2_grpc.add_RefundServiceServicer_to_server,
                Refunds(ports),
            ),
            Binding(
                _service(ledger_pb2, "LedgerService"),
                ledger_pb2_grpc.add_LedgerServiceServicer_to_server,
                Ledger(ports),
            ),
            Binding(
                _service(merchant_pb2, "MerchantService"),
                merchant_pb2_grpc.add_MerchantServiceServicer_to_server,
                Merchants(ports),
            ),
            Binding(
                _service(routing_pb2, "RoutingService"),
                routing_pb2_grpc.add_RoutingServiceServicer_to_server,
                Routing(ports),
            ),
            Binding(
                _service(webhook_pb2, "WebhookService"),
                webhook_pb2_grpc.add_WebhookServiceServicer_to_server,
                Webhooks(ports),
            ),
            Binding(
                _service(dead_letter_pb2, "DeadLetterService"),
                dead_letter_pb2_grpc.add_DeadLetterServiceServicer_to_server,
                DeadLetters(ports),
            ),
            Binding(
                _service(analytics_pb2, "AnalyticsService"),
                analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server,
                Analytics(AnalyticsReader(self._core.pool)),
            ),
            Binding(
                _service(webhook_endpoint_pb2, "WebhookEndpointService"),
                webhook_endpoint_pb2_grpc.add_WebhookEndpointServiceServicer_to_server,
                WebhookEndpointServicer(ports),
            ),
        )

    @property
    def call_rates(self) -> CallRates | None:
        """How often each merchant may call."""
        limit, core = self._core.settings.rate_limit, self._core
        if limit is None:
            return None
        return CallRates(partial(core.limiter.take, limit=limit), core.ports.directory.merchant_id_of)

    @property
    def psp_timeout_s(self) -> float:
        """How long the slowest PSP may take to answer."""
        return max(connector.timeout_s for connector in self._core.connectors.values())

    def ready(self) -> bool:
        """Whether the database answers, has this release's schema, and is safe enough for its merchants."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        if not readiness.has_schema(self._core.pool, deadline):
            return False
        return self._known_as_safe or self._is_safe(deadline)

    def _is_safe(self, deadline: float) -> bool:
        """What is unsafe is looked at every time: the first live merchant may come later."""
        found = readiness.safety(self._core.pool, deadline)
        for warning in found.warnings:
            if warning not in self._warnings_given:
                log.warning(warning)
        self._warnings_given.update(found.warnings)
        self._known_as_safe = not found.warnings
        return not (found.warnings and found.live)

    def drain(self, timeout_s: float) -> None:
        """Waits for PSP calls that outlived their callers."""
        give_up_at = time.monotonic() + timeout_s
        while self._core.slots.held() and time.monotonic() < give_up_at:
            time.sleep(DRAIN_POLL_S)

    def close(self) -> None:
        """Lets go of everything."""
        self._core.close()


def build_application(settings: Settings) -> PayFlowApplication:
    """The application behind the gRPC server. Raises psycopg.Error where the database refuses."""
    return PayFlowApplication(Core(settings))


def _pool_limits(settings: Settings) -> PoolLimits:
    return PoolLimits(
        connections_max=settings.db_max_open_conns,
        connections_idle_max=settings.db_max_idle_conns,
        lifetime_max_s=settings.db_conn_max_lifetime_s,
        statement_max_s=settings.api_timeout_s,
    )


def _slots(settings: Settings) -> PspSlots:
    total_max = settings.rpc_threads_max // 2
    return PspSlots(total_max, per_psp_max=max(1, total_max * 3 // 4))


def _redis(settings: Settings) -> OptionalRedis | None:
    if settings.redis_url is None:
        return None
    return OptionalRedis(settings.redis_url, settings.redis_pool_size)


def _cache(redis: OptionalRedis | None, pool: ReadPool, key_ttl: timedelta) -> ResponseCache | None:
    if redis is None:
        return None
    row = pool.one(response_cache.SECRET, (), time.monotonic() + START_TIMEOUT_S)
    assert row is not None
    return ResponseCache(redis, row["cache_key"], key_ttl)


def _service(module: object, name: str) -> str:
    return str(module.DESCRIPTOR.services_by_name[name].full_name)  # type: ignore[attr-defined]  # generated modules
