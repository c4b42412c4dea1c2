"""`payflow verify`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from payflow.domain.proof.block import Block
from payflow.domain.proof.keys import PublicKeys
from payflow.domain.proof.published_head import PublishedHead, UnreadableHeadError, from_json, to_json
from payflow.events.proof.published_heads import HeadsUnreadableError, in_kafka, in_redis
from payflow.events.proof.verifying import Verifier
from payflow.store.database.pool import PoolLimits
from payflow.store.database.read_pool import ReadPool
from payflow.store.proof.proof_reader import ProofReader
from payflow.store.proof.sealed_ledger import SealedLedger
from payflow.wire.proof import inclusion_proof
from server.cli.output import print_json
from server.cli.process_settings import process_settings
from server.config import Settings, required_database_url
from server.ledger_keys import public_keys

SHOWN_MAX = 20
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("verify")
@click.option(
    "--public-key",
    "key_files",
    type=FILE,
    multiple=True,
    help="PEM file of a key that may have signed; may be repeated.  [default: LEDGER_PUBLIC_KEY]",
)
@click.option(
    "--heads",
    "heads_file",
    type=FILE,
    help="Published heads, one a line.  [default: those in Kafka, or without Kafka in Redis]",
)
@click.option(
    "--save-heads",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the last head of each chain, when all is right, for a later --heads.",
)
@click.option("--proof", "transaction_id", metavar="TRANSACTION", help="Print the proof of one transaction.")
@click.option("--merchant", "merchant_id", metavar="MERCHANT", help="Whose transaction it is, with --proof.")
def command(
    *,
    key_files: tuple[Path, ...],
    heads_file: Path | None,
    save_heads: Path | None,
    transaction_id: str | None,
    merchant_id: str | None,
) -> None:
    """Recompute the sealed ledger from its rows, and name what is not as it was sealed.

    Reads DATABASE_URL as of one instant, and may run beside everything else. Checks every transaction and
    entry, every block, who signed it, and the heads that were published, without which nobody can tell
    whether the end of a chain was cut off, or all of it sealed again. Ends with 1 where anything is wrong.

    With --proof nothing else is checked: it prints what proves to others that a transaction is in the
    ledger. clients/verify_inclusion.py checks that, and needs nothing of PayFlow.

    \b
    Examples:
      payflow verify --public-key ledger-key.pub
      payflow verify --public-key ledger-key.pub --heads heads.jsonl
      payflow verify --proof txn_01m83r7m7zef2b586ssnrcjsb1b3zkwz --merchant shop_1 > proof.json
    """
    settings = process_settings()
    if transaction_id is not None:
        if merchant_id is None:
            raise click.UsageError("--proof needs --merchant")
        _print_proof(settings, merchant_id, transaction_id)
        return
    keys = public_keys(settings, key_files)
    try:
        ledger = SealedLedger(required_database_url(settings), _published(settings, heads_file))
    except (HeadsUnreadableError, UnreadableHeadError) as error:
        raise click.ClickException(str(error)) from error
    try:
        _tell_of_heads(settings, heads_file, ledger)
        last = _verify(ledger, keys)
    finally:
        ledger.close()
    if last is None:
        raise click.exceptions.Exit(1)
    if save_heads is not None:
        save_heads.write_bytes(b"".join(to_json(block) + b"\n" for block in last))


def _verify(ledger: SealedLedger, keys: PublicKeys) -> list[Block] | None:
    """The last blocks; None where anything is wrong."""
    entries = ledger.entry_count()
    started = time.monotonic()
    with click.progressbar(length=entries, label="verifying", width=40) as progress:
        verifier = Verifier(ledger, keys, progress.update)
        found = verifier.findings()
        shown = list(islice(found, SHOWN_MAX))
        more = next(found, None)
    elapsed_s = max(time.monotonic() - started, 0.001)
    click.echo(
        f"{entries:,} entries in {verifier.blocks:,} blocks of {len(verifier.last_blocks)} chains "
        f"in {elapsed_s:.1f} s, {entries / elapsed_s:,.0f} a second"
    )
    for finding in shown:
        click.echo(f"  {finding}")
    if more is not None:
        click.echo(f"  and more than these {SHOWN_MAX}")
    if verifier.waiting:
        click.echo(f"{verifier.waiting:,} transactions are not sealed yet")
    for part in verifier.not_judged:
        click.echo(
            f"chain {part}: what is in no block is not judged, while the sealer goes through the ledger"
        )
    click.echo("THE LEDGER IS NOT WHAT WAS SEALED" if shown else "the ledger is what was sealed")
    return None if shown else verifier.last_blocks


def _published(settings: Settings, heads_file: Path | None) -> Iterator[PublishedHead]:
    """The heads that others keep."""
    if heads_file is not None:
        yield from map(from_json, heads_file.read_bytes().splitlines())
        return
    if settings.kafka_brokers is not None:
        yield from in_kafka(settings.kafka_brokers, settings.ledger_heads_topic)
    elif settings.redis_url is not None:
        yield from in_redis(settings.redis_url, settings.ledger_heads_topic)


def _tell_of_heads(settings: Settings, heads_file: Path | None, ledger: SealedLedger) -> None:
    if heads_file is None and settings.kafka_brokers is None and settings.redis_url is None:
        click.echo(
            "no published heads are given: whether the ends of chains were cut off is not checked, "
            "nor whether all of it was sealed again"
        )
        return
    place = heads_file or settings.ledger_heads_topic
    click.echo(f"{ledger.published:,} published heads in {place}")
    newer = ledger.newer_blocks()
    if newer:
        click.echo(f"{newer:,} blocks are newer than these: nobody else knows yet what they were")


def _print_proof(settings: Settings, merchant_id: str, transaction_id: str) -> None:
    pool = ReadPool(required_database_url(settings), PoolLimits(connections_max=1, connections_idle_max=1))
    pool.open()
    try:
        deadline = time.monotonic() + settings.api_timeout_s
        found = ProofReader(pool).inclusion_proof(merchant_id, transaction_id, deadline)
    finally:
        pool.close()
    if found is None:
        raise click.ClickException(f"no transaction {transaction_id} of {merchant_id} is sealed")
    print_json(inclusion_proof(found))
