"""The simulated PSP, put together from its parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from payflow.psp.simulator.acquirer import Acquirer
from payflow.psp.simulator.announcements import Announcements
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.deliveries import Deliveries
from payflow.psp.simulator.effects import Effects
from payflow.psp.simulator.executions import Executions
from payflow.psp.simulator.movements import Movements
from payflow.psp.simulator.payment_store import PaymentStore
from payflow.psp.simulator.schedule import Schedule
from payflow.psp.simulator.settling import Settling


class Psp:
    """Everything behind the HTTP API, on one file; the thread that made it is the only one to use it."""

    def __init__(
        self,
        database: Database,
        behaviour: Behaviour,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        announces: bool,
    ) -> None:
        """``now`` answers aware UTC times, ``new_id`` a string that it has never answered before.

        With ``announces`` a webhook is queued for whatever happens.
        """
        self.controls = Controls(behaviour, now)
        self.executions = Executions(database)
        self.effects = Effects(database)
        self.schedule = Schedule(database)
        self.deliveries = Deliveries(database)
        payments = PaymentStore(database)
        announcements = Announcements(self.controls, self.executions, self.deliveries)
        movements = Movements(
            self.controls,
            payments,
            self.effects,
            self.schedule,
            announcements.announce if announces else None,
            new_id,
        )
        self.acquirer = Acquirer(database, self.controls, self.executions, payments, movements, new_id)
        self.settling = Settling(database, self.controls, self.executions, payments, self.schedule, movements)
