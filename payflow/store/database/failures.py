"""What a database error means: fold the batch again, connect again, give up, or tell the caller."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from payflow.domain.errors import PayFlowError, Reason

log = logging.getLogger(__name__)

# Serialization failure, deadlock, lock time-out, and unique violation: every unique key is our own, so one
# that is taken means that somebody else was first. Citus reports a serialization failure as XX000.
RETRYABLE = frozenset({"40001", "40P01", "55P03", "23505"})
# psycopg takes a statement for prepared that PostgreSQL never saw when a pipeline failed before it, and one
# that was prepared before a migration may not fit the tables any more.
UNUSABLE_CONNECTION = (
    psycopg.OperationalError,
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.FeatureNotSupported,
)
DATABASE_RETRY_S = 1.0
OVERLOADED_RETRY_S = 0.2


class StaleWriteError(Exception):
    """A guarded write met other rows than were loaded; the batch has to be folded again."""


class Verdict(Enum):
    """What to do with a batch that failed."""

    FOLD_AGAIN = auto()
    CONNECT_AGAIN = auto()
    GIVE_UP = auto()


def classify(error: Exception, retryable: frozenset[str] = RETRYABLE) -> Verdict:
    """What to do about an error of a batch; ``retryable`` are SQLSTATEs."""
    if isinstance(error, StaleWriteError):
        return Verdict.FOLD_AGAIN
    if isinstance(error, psycopg.Error) and error.sqlstate in retryable:
        return Verdict.FOLD_AGAIN
    if isinstance(error, UNUSABLE_CONNECTION) and not isinstance(error, psycopg.errors.QueryCanceled):
        return Verdict.CONNECT_AGAIN
    return Verdict.GIVE_UP


def database_unavailable() -> PayFlowError:
    """The error for a database that does not answer."""
    return PayFlowError(
        Reason.DATABASE_UNAVAILABLE, "the database is not available", retry_after_s=DATABASE_RETRY_S
    )


def concurrent_update() -> PayFlowError:
    """The error for a batch that met too many conflicts."""
    return PayFlowError(
        Reason.CONCURRENT_UPDATE, "too many concurrent updates", retry_after_s=OVERLOADED_RETRY_S
    )


def overloaded() -> PayFlowError:
    """The error for a full queue."""
    return PayFlowError(Reason.OVERLOADED, "too many requests are waiting", retry_after_s=OVERLOADED_RETRY_S)


def deadline_exceeded() -> PayFlowError:
    """The error for a caller whose time is up."""
    return PayFlowError(Reason.DEADLINE_EXCEEDED, "the deadline passed before the work was done")


@contextmanager
def told_to_callers() -> Iterator[None]:
    """Turns errors of the database and the pool into those that callers may see."""
    try:
        yield
    except TooManyRequests as error:
        raise overloaded() from error
    except (PoolTimeout, PoolClosed) as error:
        raise database_unavailable() from error
    except psycopg.errors.QueryCanceled as error:
        raise deadline_exceeded() from error
    except psycopg.OperationalError as error:
        log.warning("database unavailable: %s", error)
        raise database_unavailable() from error
