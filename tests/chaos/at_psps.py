"""What PSPs hold and have taken, by their own lists of effects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.evidence import Effect


@dataclass(slots=True)
class PspPayment:
    """One payment at a PSP, as its effects leave it; amounts are minor units of ``currency``."""

    psp: str
    id: str
    currency: str
    intent_id: str
    confessed: bool = False
    held: int = 0
    taken: int = 0
    returned: int = 0

    @property
    def stands(self) -> bool:
        """Whether money of the payer's is held or taken."""
        return self.held > 0 or self.taken > self.returned

    def move(self, effect: Effect) -> None:
        """Moves it on by one effect."""
        self.confessed = self.confessed or effect.confessed
        match effect.operation:
            case "authorize":
                self.held += effect.amount
            case "sale":
                self.taken += effect.amount
            case "capture":
                self.held, self.taken = 0, self.taken + effect.amount
            case "cancel":
                self.held = 0
            case "refund":
                self.returned += effect.amount
            case "capture_failed":
                self.taken -= effect.amount
            case "refund_failed":
                self.returned -= effect.amount
            case _:
                raise ValueError(f"no effect is called {effect.operation}")


@dataclass(slots=True)
class Wallets:
    """The payments at all PSPs, one effect after another, and those of each intent."""

    payments: dict[tuple[str, str], PspPayment] = field(default_factory=dict)
    intents: dict[str, list[PspPayment]] = field(default_factory=dict)

    def move(self, effect: Effect) -> PspPayment:
        """The payment that an effect moved."""
        scoped = (effect.psp, effect.payment_id)
        if scoped not in self.payments:
            intent_id = effect.reference.rpartition("-")[0]
            payment = PspPayment(effect.psp, effect.payment_id, effect.currency, intent_id)
            self.payments[scoped] = payment
            self.intents.setdefault(intent_id, []).append(payment)
        self.payments[scoped].move(effect)
        return self.payments[scoped]

    def of_intent(self, intent_id: str) -> list[PspPayment]:
        """Every payment that was made for an intent."""
        return self.intents.get(intent_id, [])

    def standing(self, intent_id: str) -> list[PspPayment]:
        """Those of them that hold or have taken money."""
        return [one for one in self.of_intent(intent_id) if one.stands]


def in_order(effects: Iterable[Effect]) -> list[Effect]:
    """All PSPs' effects, oldest first."""
    return sorted(effects, key=lambda effect: effect.at)


def after(effects: Iterable[Effect]) -> Wallets:
    """How all effects together leave them."""
    wallets = Wallets()
    for effect in in_order(effects):
        wallets.move(effect)
    return wallets
