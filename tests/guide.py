"""A guide whose commands are run: blocks of shell in Markdown, each followed by what it prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 300

_BLOCK = re.compile(
    r"^```sh\n(?P<commands>.*?)^```\n(?:\n```(?:text|json)\n(?P<output>.*?)^```\n)?", re.M | re.S
)
_ID = re.compile(
    r"\b(?:txn|acc|pi|att|exp|we|whd)_[0-9a-z]{20,}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
_TIME = re.compile(r"\b2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and the output that the guide shows for them."""

    commands: str
    output: str


def blocks(markdown: str) -> list[Block]:
    """All of them, in order; one without an output block prints nothing."""
    return [Block(found["commands"], found["output"] or "") for found in _BLOCK.finditer(markdown)]


def run(commands: Sequence[str], directory: Path, environment: Mapping[str, str]) -> list[str]:
    """What each prints, errors included, when one shell runs them in ``directory``."""
    outputs = [directory / f"output-{number}" for number in range(len(commands))]
    script = directory / "guide.sh"
    script.write_text(
        "".join(f"exec >{output} 2>&1\n{text}" for output, text in zip(outputs, commands, strict=True))
    )
    subprocess.run(
        ["bash", "-u", script],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=TIMEOUT_S,
    )
    return [output.read_text() if output.exists() else "did not run\n" for output in outputs]


def transcript(commands: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The lines of both, alike in every run: ids numbered as they first appear, times without digits."""
    numbers: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"<id {len(numbers) + 1}>")

    lines = []
    for text, output in zip(commands, outputs, strict=True):
        lines += [f"$ {line}" for line in text.splitlines()]
        lines += _ID.sub(numbered, _TIME.sub("<time>", output)).splitlines()
    return lines


def with_outputs(markdown: str, outputs: Sequence[str]) -> str:
    """The guide with ``outputs`` in the place of those it shows."""
    rest = iter(outputs)

    def rewritten(found: re.Match[str]) -> str:
        commands, output = found["commands"], next(rest)
        language = "json" if output.startswith("{") else "text"
        shown = f"\n```{language}\n{output}```\n" if output else ""
        return f"```sh\n{commands}```\n{shown}"

    return _BLOCK.sub(rewritten, markdown)
