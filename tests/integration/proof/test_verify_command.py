"""`payflow verify` as an auditor runs it: what it prints, and how it ends."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from payflow.domain.proof.published_head import to_json
from payflow.events.proof.heads import HeadPublisher
from payflow.events.relay.redis_publisher import RedisPublisher
from payflow.store.proof.head_cursor import HeadCursor
from server.cli.main import main
from tests.databases import Database
from tests.sealed_books import KEY, blocks, copy_of, seal, tamper

NUMBERS = count(1)
CUT_OFF = "WHERE (part, number) = (SELECT part, max(number) FROM seal_blocks GROUP BY part LIMIT 1)"


@pytest.fixture
def database(booked: Database) -> Database:
    made = copy_of(booked, f"commanded_{next(NUMBERS)}")
    seal(made)
    return made


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pub"
    path.write_bytes(KEY.public_pem)
    return path


def _verify(database: Database, *options: str | Path, **environment: str) -> Result:
    environment |= {"DATABASE_URL": database.application_url}
    return CliRunner().invoke(main, ["verify", *map(str, options)], env=environment)


def test_what_is_right_is_said_to_be(database: Database, key_file: Path) -> None:
    result = _verify(database, "--public-key", key_file)
    assert result.exit_code == 0, result.output
    assert " entries in " in result.output and " a second" in result.output
    assert "whether the ends of chains were cut off is not checked" in result.output
    assert "the ledger is what was sealed" in result.output


def test_what_is_wrong_ends_it_with_one(database: Database, key_file: Path) -> None:
    tamper(database, "UPDATE entries SET amount = 500 WHERE account_version = 1 AND layer = 'POSTED'")
    result = _verify(database, "--public-key", key_file)
    assert result.exit_code == 1
    assert "amount is 500, sealed as " in result.output
    assert "THE LEDGER IS NOT WHAT WAS SEALED" in result.output


def test_heads_that_were_saved_tell_of_a_chain_that_was_cut_off(
    database: Database, key_file: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "heads.jsonl"
    assert _verify(database, "--public-key", key_file, "--save-heads", saved).exit_code == 0
    assert {json.loads(line)["part"] for line in saved.read_text().splitlines()} == {
        block.header.part for block in blocks(database)
    }
    assert _verify(database, "--public-key", key_file, "--heads", saved).exit_code == 0
    tamper(database, f"DELETE FROM seal_blocks {CUT_OFF}")
    result = _verify(database, "--public-key", key_file, "--heads", saved)
    assert result.exit_code == 1
    assert "is not the block whose head was published" in result.output


def test_blocks_that_nobody_has_published_are_told(
    database: Database, key_file: Path, tmp_path: Path
) -> None:
    known = tmp_path / "heads.jsonl"
    [first, *newer] = blocks(database)
    known.write_bytes(to_json(first))
    result = _verify(database, "--public-key", key_file, "--heads", known)
    assert f"{len(newer)} blocks are newer than these" in result.output
    assert result.exit_code == 0, result.output


def test_what_is_not_sealed_yet_is_told(booked: Database, key_file: Path) -> None:
    database = copy_of(booked, f"commanded_{next(NUMBERS)}")
    result = _verify(database, "--public-key", key_file)
    assert "transactions are not sealed yet" in result.output
    assert result.exit_code == 0, result.output


def test_heads_are_read_from_where_they_are_published(
    database: Database, key_file: Path, valkey_url: str
) -> None:
    topic = f"heads-of-command-{next(NUMBERS)}"
    publisher = HeadPublisher(
        HeadCursor(database.application_url, topic), lambda: RedisPublisher(valkey_url, topic)
    )
    while publisher.round():
        pass
    publisher.close()
    environment = {"REDIS_URL": valkey_url, "KAFKA_TOPIC_LEDGER_HEADS": topic}
    result = _verify(database, "--public-key", key_file, **environment)
    assert f"{len(blocks(database))} published heads in {topic}" in result.output
    assert result.exit_code == 0, result.output


def test_a_proof_is_printed(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("SELECT merchant_id, id FROM transactions ORDER BY id LIMIT 1").fetchone()
    assert row is not None
    result = _verify(database, "--proof", row[1], "--merchant", row[0])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["transaction_id"] == row[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "LEDGER_PUBLIC_KEY"),
        (("--public-key", __file__), "LEDGER_PUBLIC_KEY"),
        (("--proof", "txn_1"), "--proof needs --merchant"),
        (
            ("--proof", "txn_nobodys", "--merchant", "nobody"),
            "no transaction txn_nobodys of nobody is sealed",
        ),
    ],
)
def test_what_cannot_be_used_is_told(database: Database, options: tuple[str, ...], told: str) -> None:
    result = _verify(database, *options)
    assert result.exit_code > 0
    assert told in result.output
    assert "Traceback" not in result.output


def test_a_file_without_heads_is_told(database: Database, key_file: Path, tmp_path: Path) -> None:
    [head, *_] = (to_json(block) for block in blocks(database))
    heads = tmp_path / "heads.jsonl"
    heads.write_bytes(head + b"\nsomething else\n")
    result = _verify(database, "--public-key", key_file, "--heads", heads)
    assert result.exit_code == 1
    assert "not a published head: b'something else'" in result.output
