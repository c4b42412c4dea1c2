"""What everybody in a simulation shares: one clock, one source of chance, and the weather of the moment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.clock import SimulatedClock
from tests.chaos.weather import Weather

Option = TypeVar("Option")


@dataclass(slots=True)
class Nature:
    """The weather changes; nothing that is drawn depends on anything but the seed of ``chance``."""

    clock: SimulatedClock
    chance: random.Random
    weather: Weather

    def happens(self, probability: float) -> bool:
        """Whether something does that is so probable."""
        return self.chance.random() < probability

    def one_of(self, options: Sequence[Option]) -> Option:
        """Any of them."""
        return self.chance.choice(options)
