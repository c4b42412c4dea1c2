"""Dead letters as consumers use them, on the caller's connection and inside the caller's transaction.

An aggregate has letters here for a consumer from when one of its events could not be taken until all of them
were. Its first letter, its head, says how it stands: whoever changes that, or adds to it, writes the head
first and looks at the others in a statement behind that, so that no letter is left waiting for nothing. That
needs READ COMMITTED, or SERIALIZABLE and another try when PostgreSQL says 40001.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import datetime

from psycopg.types.json import Jsonb

from payflow.domain.dead_letter import ERROR_CHARACTERS_MAX, DeadLetter, DeadLetterState, GivenUp, Letter
from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.ids import bucket_of
from payflow.store.database.statement import DictConnection, columns, unique
from payflow.store.dead_letter_rows import WHOLE, dead_letter

HELD_BACK = """
    SELECT wanted.merchant_id, wanted.aggregate_id, head.aggregate_version
    FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, aggregate_id)
    CROSS JOIN LATERAL (
        SELECT aggregate_version
        FROM dead_letters AS item
        WHERE item.merchant_id = wanted.merchant_id AND item.consumer = %s
          AND item.aggregate_id = wanted.aggregate_id
        ORDER BY aggregate_version
        LIMIT 1
    ) AS head
"""

_ADD = """
    INSERT INTO dead_letters (
        merchant_id, consumer, aggregate_id, aggregate_version, bucket, type, headers, value, state, error,
        tries, parked_at)
"""

# What was published once may be refused when everything is published again: then that comes first.
STEP_BACK = """
    UPDATE dead_letters AS item
    SET state = 'WAITING'
    FROM unnest(%s::text[], %s::text[], %s::bigint[])
        AS given_up (merchant_id, aggregate_id, aggregate_version)
    WHERE item.merchant_id = given_up.merchant_id AND item.consumer = %s
      AND item.aggregate_id = given_up.aggregate_id AND item.aggregate_version > given_up.aggregate_version
      AND item.state = 'PARKED'
"""

PARK = f"""
    {_ADD}
    SELECT merchant_id, %s, aggregate_id, aggregate_version, bucket, type, headers, value, 'PARKED', error,
           tries, %s
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::smallint[], %s::text[], %s::jsonb[], %s::bytea[],
                %s::text[], %s::integer[])
        AS item (merchant_id, aggregate_id, aggregate_version, bucket, type, headers, value, error, tries)
    ON CONFLICT (merchant_id, consumer, aggregate_id, aggregate_version) DO NOTHING
"""

# The head is written, not only locked: a serializable transaction that is about to take it away, and has not
# seen what is put behind it, has to begin again. A head that is gone leaves what comes to the retry.
APPEND = f"""
    WITH touched AS (
        UPDATE dead_letters AS head
        SET state = head.state
        FROM unnest(%s::text[], %s::text[]) AS wanted (merchant_id, aggregate_id)
        CROSS JOIN LATERAL (
            SELECT merchant_id, consumer, aggregate_id, aggregate_version
            FROM dead_letters AS item
            WHERE item.merchant_id = wanted.merchant_id AND item.consumer = %s
              AND item.aggregate_id = wanted.aggregate_id
            ORDER BY item.aggregate_version
            LIMIT 1
        ) AS first
        WHERE head.merchant_id = first.merchant_id AND head.consumer = first.consumer
          AND head.aggregate_id = first.aggregate_id AND head.aggregate_version = first.aggregate_version
        RETURNING head.merchant_id, head.aggregate_id, head.state
    )
    {_ADD}
    SELECT item.merchant_id, %s, item.aggregate_id, item.aggregate_version, item.bucket, item.type,
           item.headers, item.value, CASE touched.state WHEN 'PARKED' THEN 'WAITING' ELSE 'RETRYING' END,
           '', 0, %s
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::smallint[], %s::text[], %s::jsonb[], %s::bytea[])
        AS item (merchant_id, aggregate_id, aggregate_version, bucket, type, headers, value)
    LEFT JOIN touched ON touched.merchant_id = item.merchant_id AND touched.aggregate_id = item.aggregate_id
    ON CONFLICT (merchant_id, consumer, aggregate_id, aggregate_version) DO NOTHING
"""

# Of an aggregate that is parked, or whose first letter is not among these, nothing is to be tried.
TO_RETRY = """
    SELECT head.merchant_id, head.aggregate_id
    FROM unnest(%s::int[]) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT merchant_id, aggregate_id
        FROM dead_letters AS one
        WHERE bucket = wanted.bucket AND consumer = %s AND state = 'RETRYING'
          AND NOT EXISTS (
              SELECT FROM dead_letters AS earlier
              WHERE earlier.merchant_id = one.merchant_id AND earlier.consumer = one.consumer
                AND earlier.aggregate_id = one.aggregate_id
                AND earlier.aggregate_version < one.aggregate_version)
        ORDER BY merchant_id, aggregate_id, aggregate_version
        LIMIT %s
    ) AS head
    LIMIT %s
"""

HEAD = """
    SELECT state
    FROM dead_letters
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s
    ORDER BY aggregate_version
    LIMIT 1
    FOR UPDATE
"""

LETTERS = f"""
    SELECT {WHOLE}
    FROM dead_letters AS item
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s
    ORDER BY aggregate_version
    LIMIT %s
"""

REMOVE = """
    DELETE FROM dead_letters AS item
    USING unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])
        AS taken (merchant_id, consumer, aggregate_id, aggregate_version)
    WHERE item.merchant_id = taken.merchant_id AND item.consumer = taken.consumer
      AND item.aggregate_id = taken.aggregate_id AND item.aggregate_version = taken.aggregate_version
"""

PARK_AGAIN = """
    UPDATE dead_letters
    SET state = 'PARKED', error = %s, tries = tries + %s, parked_at = %s
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s AND aggregate_version = %s
"""

WAIT_BEHIND = """
    UPDATE dead_letters
    SET state = 'WAITING'
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s AND aggregate_version > %s
      AND state = 'RETRYING'
"""


def held_back(
    connection: DictConnection, consumer: str, aggregates: Iterable[MerchantScoped]
) -> dict[MerchantScoped, int]:
    """Those aggregates whose next events have to be appended here, whatever the state of what is here.

    Each with the version of its first event that is.
    """
    wanted = unique(aggregates)
    if not wanted:
        return {}
    found = connection.execute(HELD_BACK, (*columns(wanted), consumer))
    return {(row["merchant_id"], row["aggregate_id"]): row["aggregate_version"] for row in found}


def park(connection: DictConnection, consumer: str, given_up: Sequence[GivenUp], now: datetime) -> None:
    """Keeps events that were given up, of aggregates that have nothing before them here.

    One that is here stays as it is. Of an error the first 1,000 characters are kept.
    """
    rows = [(*_row(one.letter), _bounded(one.error), one.tries) for one in given_up]
    if rows:
        connection.execute(STEP_BACK, (*columns([row[:3] for row in rows]), consumer))
        connection.execute(PARK, (consumer, now, *columns(rows)))


def append(connection: DictConnection, consumer: str, letters: Sequence[Letter], now: datetime) -> None:
    """Keeps later events of aggregates that are held back; one that is here already stays as it is."""
    rows = [_row(letter) for letter in letters]
    if rows:
        aggregates = columns(unique((letter.merchant_id, letter.aggregate_id) for letter in letters))
        connection.execute(APPEND, (*aggregates, consumer, consumer, now, *columns(rows)))


def to_retry(
    connection: DictConnection, consumer: str, buckets: Sequence[int], aggregates_max: int
) -> list[MerchantScoped]:
    """Aggregates that an operator asked to be tried again; ``buckets`` are those of their merchants."""
    limits = (aggregates_max, aggregates_max)
    found = connection.execute(TO_RETRY, (list(buckets), consumer, *limits))
    return [(row["merchant_id"], row["aggregate_id"]) for row in found]


def take(
    connection: DictConnection, consumer: str, aggregate: MerchantScoped, events_max: int
) -> list[DeadLetter]:
    """The first letters of an aggregate that is to be tried again, in order; none where it is not any more.

    The first is locked until the caller's transaction ends, so whoever keeps a row of its own about the
    aggregate locks that before.
    """
    merchant_id, aggregate_id = aggregate
    key = (merchant_id, consumer, aggregate_id)
    head = connection.execute(HEAD, key).fetchone()
    if head is None or head["state"] != DeadLetterState.RETRYING:
        return []
    return [dead_letter(row) for row in connection.execute(LETTERS, (*key, events_max))]


def remove(connection: DictConnection, taken: Sequence[DeadLetter]) -> None:
    """Forgets letters that were applied or published, each aggregate's from its first on."""
    keys = [astuple(one.key) for one in taken]
    if keys:
        connection.execute(REMOVE, columns(keys))


def park_again(connection: DictConnection, failed: DeadLetter, error: str, tries: int, now: datetime) -> None:
    """Puts the first letter of an aggregate back that failed again, after ``tries`` more; the others wait."""
    key = astuple(failed.key)
    connection.execute(PARK_AGAIN, (_bounded(error), tries, now, *key))
    connection.execute(WAIT_BEHIND, key)


def _row(letter: Letter) -> tuple[object, ...]:
    return (
        letter.merchant_id,
        letter.aggregate_id,
        letter.aggregate_version,
        bucket_of(letter.merchant_id),
        letter.type,
        Jsonb(dict(letter.headers)),
        letter.value,
    )


def _bounded(error: str) -> str:
    kept = error.encode(errors="replace").decode().replace("\0", "")
    return kept[:ERROR_CHARACTERS_MAX]
