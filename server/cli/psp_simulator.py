"""`payflow psp-simulator`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.process import run
from server.cli.process_settings import process_settings
from server.config_values import UnexpectedValue, duration_s
from server.ports import PortInUse, require_free_port


def _duration_s(value: str) -> float:
    try:
        return duration_s(value)
    except UnexpectedValue as unexpected:
        raise click.BadParameter(f"expected {unexpected}") from None


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
    "--key-window",
    envvar="SIMULATOR_KEY_WINDOW",
    default="24h",
    show_default=True,
    callback=lambda _context, _option, value: _duration_s(value),
    help="How long it remembers a key.",
)
def command(host: str, port: int, data: Path | None, key_window: float) -> None:
    """Run the simulated PSP that test payments go to.

    What it executes is durable and outside PayFlow's database. PayFlow finds it by SIMULATOR_URL.

    \b
    Example:
      payflow psp-simulator --port 8090 --data /tmp/simulator.sqlite
    """
    settings = process_settings()
    try:
        require_free_port(host, port, "--port")
    except PortInUse:
        raise click.ClickException(f"port {port} on {host} is in use; choose another with --port") from None
    path = data or settings.data_dir / "simulator.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.exit(run(path, host, port, Behaviour(key_window_s=key_window)))
