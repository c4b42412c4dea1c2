"""`payflow psp-simulator`."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.process import run
from payflow.psp.simulator.sender import Receiver
from server.cli.process_settings import process_settings
from server.config_values import UnexpectedValue, duration_s, url
from server.ports import PortInUse, require_free_port

SECRET_VARIABLE = "SIMULATOR_WEBHOOK_SECRET"
CONFIG_BYTES_MAX = 1_000_000


def _parsed(parse: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str | None], object]:
    """A callback for an option that takes what an environment variable would."""

    def callback(_context: click.Context, _option: click.Parameter, value: str | None) -> object:
        try:
            return None if value is None else parse(value)
        except UnexpectedValue as unexpected:
            raise click.BadParameter(f"expected {unexpected}") from None

    return callback


@click.command("psp-simulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8089, show_default=True, help="Port to listen on."
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of its effects.  [default: simulator.sqlite in PAYFLOW_DATA_DIR]",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of how it behaves, as PUT /behaviour takes it.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of what happens by chance.  [default: 0]")
@click.option(
    "--key-window",
    envvar="SIMULATOR_KEY_WINDOW",
    callback=_parsed(duration_s),
    help="How long it remembers a key.  [default: 24h]",
)
@click.option(
    "--webhooks-to",
    callback=_parsed(url("http", "https")),
    help=f"URL to tell what happens; {{psp_account}} in it is filled in. {SECRET_VARIABLE} signs.",
)
def command(
    host: str,
    port: int,
    data: Path | None,
    config: Path | None,
    seed: int | None,
    key_window: float | None,
    webhooks_to: str | None,
) -> None:
    """Run a simulated PSP that test payments go to, and say on stderr where it listens.

    What it executes is durable and outside PayFlow's database. PayFlow finds it by SIMULATOR_URL, and a
    second one by B_SIMULATOR_URL. docs/psp/simulator.md explains what it can be made to do.

    \b
    Examples:
      payflow psp-simulator --port 8090 --data /tmp/simulator.sqlite
      echo '{"declines":{"probability":0.5}}' > half.json && payflow psp-simulator --config half.json --seed 7
      payflow psp-simulator --webhooks-to 'http://localhost:8080/webhooks/{psp_account}'
    """
    settings = process_settings()
    behaviour = _behaviour(config, {"seed": seed, "key_window_s": key_window})
    receiver = _receiver(webhooks_to, settings.environment.get(SECRET_VARIABLE))
    try:
        require_free_port(host, port, "--port")
    except PortInUse:
        raise click.ClickException(f"port {port} on {host} is in use; choose another with --port") from None
    path = data or settings.data_dir / "simulator.sqlite"
    try:
        sys.exit(run(path, host, port, behaviour, receiver))
    except sqlite3.Error as error:
        raise click.ClickException(f"{path} cannot be used: {error}") from None


def _behaviour(config: Path | None, options: dict[str, Any]) -> Behaviour:
    """What the file says, with the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    if config is None:
        return Behaviour(**given)
    if config.stat().st_size > CONFIG_BYTES_MAX:
        raise click.ClickException(f"{config}: expected at most {CONFIG_BYTES_MAX} bytes")
    try:
        return replace(msgspec.json.decode(config.read_bytes(), type=Behaviour), **given)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{config}: {error}") from None


def _receiver(webhooks_to: str | None, secret: str | None) -> Receiver | None:
    if webhooks_to is None:
        return None
    if not secret:
        raise click.ClickException(
            f"{SECRET_VARIABLE}: expected the secret that signs what goes to {webhooks_to}"
        )
    return Receiver(webhooks_to, secret)
