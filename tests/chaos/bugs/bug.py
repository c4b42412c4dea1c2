"""What a deliberate bug is: a few words of PayFlow's own code that read differently while it is on."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pkgutil import resolve_name
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

from payflow.domain import declines
from payflow.domain.intent.finishing import finish
from payflow.domain.psp_outcome import Approved, NotExecuted
from tests.chaos.evidence import Wrong

# What the words of an edit may name besides what its function's module knows.
KNOWN_TO_BUGS = {"declines": declines, "NotExecuted": NotExecuted, "Approved": Approved, "finish": finish}


@dataclass(frozen=True, slots=True)
class Edit:
    """A function, such as ``payflow.domain.fees.fee_for``, in whose source other words stand for some."""

    function: str
    words: Mapping[str, str]

    def made(self) -> AbstractContextManager[None]:
        """Puts the edited function wherever PayFlow knows the original.

        Raises ValueError where the words do not stand in exactly one place.
        """
        original: FunctionType = resolve_name(self.function)
        source = textwrap.dedent(inspect.getsource(original))
        for old, new in self.words.items():
            if source.count(old) != 1:
                raise ValueError(f"{old!r} is not one place in {self.function}")
            source = source.replace(old, new)
        compiled: dict[str, Any] = {}
        exec(compile(source, f"<a bug in {self.function}>", "exec"), original.__globals__, compiled)
        return _replaced(self.function, original, compiled[original.__name__])


@dataclass(frozen=True, slots=True)
class Bug:
    """``says`` what goes wrong, ``caught_by`` how an auditor calls it.

    ``weather`` has probabilities of what it takes to show, by their names in Weather.
    """

    name: str
    says: str
    caught_by: Wrong
    edits: Sequence[Edit]
    weather: Mapping[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self) -> Iterator[None]:
        """PayFlow is wrong inside."""
        with ExitStack() as stack:
            for edit in self.edits:
                stack.enter_context(edit.made())
            yield


@contextmanager
def _replaced(name: str, original: FunctionType, edited: FunctionType) -> Iterator[None]:
    owner = resolve_name(name.rpartition(".")[0])
    home = sys.modules[original.__module__]
    with ExitStack() as stack:
        for known_as, value in KNOWN_TO_BUGS.items():
            if not hasattr(home, known_as):
                stack.enter_context(patch.object(home, known_as, value, create=True))
        if not isinstance(owner, ModuleType):
            stack.enter_context(patch.object(owner, original.__name__, edited))
        for module in _modules():
            for known_as, value in list(vars(module).items()):
                if value is original:
                    stack.enter_context(patch.object(module, known_as, edited))
                elif isinstance(value, dict):
                    entries = {key: edited for key, one in value.items() if one is original}
                    stack.enter_context(patch.dict(value, entries))
        yield


def _modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(("payflow.", "server."))]
