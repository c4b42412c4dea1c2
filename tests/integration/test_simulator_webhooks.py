"""The simulated PSP's webhooks over HTTP: what is sent, what may be believed, what a SIGKILL leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    OperationType,
)
from payflow.psp.connector import (
    Delivery,
    PspCall,
    PspSilentError,
    Rejection,
    SignedItem,
    WebhookRejectedError,
)
from payflow.psp.simulator.connector import SimulatorConnector
from payflow.psp.simulator.webhooks import EventType, read_event
from tests.ports import free_port
from tests.simulators import Simulator, authorization, modification, running_simulator
from tests.waiting import wait_until
from tests.webhook_receiver import WebhookReceiver, receiving_webhooks

UNBELIEVABLE = {
    "forged": Rejection.SIGNATURE_WRONG,
    "altered": Rejection.SIGNATURE_WRONG,
    "stale": Rejection.TOO_OLD,
    "future": Rejection.IN_THE_FUTURE,
}
FAR_S = 100 * 86_400


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with receiving_webhooks() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def simulator(receiver: WebhookReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    data = tmp_path_factory.mktemp("simulator") / "simulator.db"
    with running_simulator(data, webhooks_to=receiver.url) as running:
        yield running


@pytest.fixture
def connector(simulator: Simulator) -> Iterator[SimulatorConnector]:
    with simulator.connector() as connector:
        yield connector
    simulator.behave()


def approved(connector: SimulatorConnector, call: PspCall) -> str:
    """The PSP's id of what it approves."""
    outcome = connector.execute(call)
    assert isinstance(outcome, Approved)
    return outcome.psp_id


def told(receiver: WebhookReceiver, *calls: PspCall) -> list[tuple[str, Delivery]]:
    """The webhooks about ``calls``, by what they say happened."""
    keys = {call.psp_key for call in calls}
    events = [(read_event(delivery.body), delivery) for delivery in receiver.arrived()]
    return [(event.type.value, delivery) for event, delivery in events if event.reference in keys]


def wait_for(receiver: WebhookReceiver, call: PspCall, *types: EventType) -> list[Delivery]:
    """The webhooks about ``call``, once there are as many; the order in which they came is nobody's."""
    wait_until(lambda: len(told(receiver, call)) >= len(types))
    arrived = told(receiver, call)
    assert Counter(one for one, _ in arrived) == Counter(one.value for one in types)
    return [delivery for _, delivery in arrived]


def item_of(connector: SimulatorConnector, delivery: Delivery) -> SignedItem:
    """The one event of a delivery."""
    [item] = connector.receive(delivery, "", datetime.now(UTC))
    return item


def notice_of(connector: SimulatorConnector, delivery: Delivery) -> Notice:
    """What the connector makes of a delivery."""
    notice = connector.interpret(item_of(connector, delivery).content, "")
    assert notice is not None
    return notice


def test_every_outcome_is_told_and_means_what_a_look_up_says(
    receiver: WebhookReceiver, connector: SimulatorConnector
) -> None:
    authorize, declined = authorization(), authorization("pm_card_decline_fraud")
    payment_id = approved(connector, authorize)
    connector.execute(declined)
    capture = modification(OperationType.CAPTURE, payment_id, 700)
    approved(connector, capture)
    refund = modification(OperationType.REFUND, payment_id, 300)
    refund_id = approved(connector, refund)
    canceled = authorization()
    cancel = modification(OperationType.CANCEL, approved(connector, canceled), 1000)
    approved(connector, cancel)
    for call, told_as, amount in (
        (authorize, EventType.AUTHORIZED, 1000),
        (declined, EventType.DECLINED, 1000),
        (capture, EventType.CAPTURED, 700),
        (refund, EventType.REFUNDED, 300),
        (cancel, EventType.CANCELED, 1000),
    ):
        [delivery] = wait_for(receiver, call, told_as)
        notice = notice_of(connector, delivery)
        assert (notice.operation, notice.psp_key) == (call.operation, call.psp_key)
        assert (notice.amount, notice.currency) == (amount, "USD")
        assert notice.outcome == connector.look_up(call)
        assert not notice.after_success
    assert refund_id != payment_id
    assert receiver.paths() == {"/webhooks/acc"}


def test_a_sale_and_a_payer_who_acts_are_told(
    receiver: WebhookReceiver, simulator: Simulator, connector: SimulatorConnector
) -> None:
    sale, challenged = authorization(sale=True), authorization("pm_card_3ds")
    approved(connector, sale)
    wait_for(receiver, sale, EventType.CAPTURED)
    waiting = connector.execute(challenged)
    assert isinstance(waiting, ActionRequired)
    assert told(receiver, challenged) == []
    simulator.complete(waiting.psp_id)
    [delivery] = wait_for(receiver, challenged, EventType.ACTION_COMPLETED)
    notice = notice_of(connector, delivery)
    assert (notice.operation, notice.psp_payment_id) == (OperationType.AUTHORIZE, waiting.psp_id)
    assert isinstance(notice.outcome, Approved)


def test_what_comes_later_is_told_and_an_older_event_tells_it_as_well(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    simulator.behave(
        late_success={"after_s": 0}, later_failures={"after_s": 0}, deferred={"after_s": FAR_S / 2}
    )
    lie = authorization("pm_card_late_success")
    assert isinstance(connector.execute(lie), Declined)
    for delivery in wait_for(receiver, lie, EventType.DECLINED, EventType.LATE_SUCCESS):
        assert isinstance(notice_of(connector, delivery).outcome, Approved)
    sold = approved(connector, authorization("pm_card_refund_fails_later", sale=True))
    refund = modification(OperationType.REFUND, sold, 300)
    approved(connector, refund)
    for delivery in wait_for(receiver, refund, EventType.REFUNDED, EventType.REFUND_FAILED):
        notice = notice_of(connector, delivery)
        assert notice.after_success and isinstance(notice.outcome, Declined)
        assert notice.outcome.failure.code == "invalid_account"
    sale = authorization("pm_card_capture_fails_later", sale=True)
    approved(connector, sale)
    for delivery in wait_for(receiver, sale, EventType.CAPTURED, EventType.CAPTURE_FAILED):
        assert notice_of(connector, delivery).after_success


def test_what_was_accepted_is_told_when_it_is_finished(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    simulator.behave(deferred={"after_s": FAR_S})
    capture = modification(OperationType.CAPTURE, approved(connector, authorization("pm_card_deferred")), 700)
    assert isinstance(connector.execute(capture), Accepted)
    assert told(receiver, capture) == []
    simulator.behave(clock_offset_s=FAR_S)
    [delivery] = wait_for(receiver, capture, EventType.CAPTURED)
    with pytest.raises(WebhookRejectedError, match=Rejection.IN_THE_FUTURE):
        item_of(connector, delivery)
    notice = connector.interpret(delivery.body, "")
    assert notice is not None and isinstance(notice.outcome, Approved)


def test_a_duplicate_is_the_same_event(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    simulator.behave(webhooks={"duplicated": 1})
    call = authorization()
    approved(connector, call)
    first, second = wait_for(receiver, call, EventType.AUTHORIZED, EventType.AUTHORIZED)
    assert item_of(connector, first) == item_of(connector, second)


@pytest.mark.parametrize(("mischief", "rejection"), UNBELIEVABLE.items())
def test_what_must_not_be_believed_comes_beside_the_truth(
    receiver: WebhookReceiver,
    connector: SimulatorConnector,
    simulator: Simulator,
    mischief: str,
    rejection: Rejection,
) -> None:
    simulator.behave(webhooks={mischief: 1})
    call = authorization()
    approved(connector, call)
    wait_until(lambda: len(told(receiver, call)) == 2)
    verdicts = [_verdict(connector, delivery) for _, delivery in told(receiver, call)]
    assert Counter(verdicts) == {"": 1, rejection: 1}


def _verdict(connector: SimulatorConnector, delivery: Delivery) -> str:
    try:
        item_of(connector, delivery)
    except WebhookRejectedError as rejected:
        return rejected.rejection
    return ""


def test_dropped_ones_never_come_and_delayed_ones_when_their_time_has_come(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    dropped, delayed, prompt = authorization(), authorization(), authorization()
    simulator.behave(webhooks={"dropped": 1})
    approved(connector, dropped)
    simulator.behave(webhooks={"delayed": 1, "delay_s": FAR_S})
    approved(connector, delayed)
    simulator.behave()
    approved(connector, prompt)
    wait_for(receiver, prompt, EventType.AUTHORIZED)
    assert told(receiver, dropped, delayed) == []
    simulator.behave(clock_offset_s=FAR_S)
    wait_for(receiver, delayed, EventType.AUTHORIZED)
    assert told(receiver, dropped) == []
    [kept] = [one for one in simulator.deliveries() if one["reference"] == dropped.psp_key]
    assert (kept["kind"], kept["attempts"]) == ("dropped", 0)


def test_a_reordered_one_comes_behind_the_payments_next(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    """A forged one beside it is no reason for it to come."""
    authorize = authorization()
    simulator.behave(webhooks={"reordered": 1, "forged": 1, "delay_s": FAR_S})
    payment_id = approved(connector, authorize)
    wait_for(receiver, authorize, EventType.LATE_SUCCESS)
    simulator.behave()
    capture = modification(OperationType.CAPTURE, payment_id, 1000)
    approved(connector, capture)
    wait_for(receiver, authorize, EventType.LATE_SUCCESS, EventType.AUTHORIZED)
    assert [one for one, _ in told(receiver, authorize, capture)][1:] == ["captured", "authorized"]


def test_it_is_sent_again_until_somebody_takes_it(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    wait_until(lambda: simulator.webhooks_waiting() == 0)
    receiver.answer_first(500, 404)
    call = authorization()
    approved(connector, call)
    deliveries = wait_for(receiver, call, *[EventType.AUTHORIZED] * 3)
    assert len({item_of(connector, delivery) for delivery in deliveries}) == 1
    wait_until(lambda: simulator.webhooks_waiting() == 0)
    [kept] = [one for one in simulator.deliveries() if one["reference"] == call.psp_key]
    assert (kept["attempts"], kept["status"]) == (3, 200)


def test_an_event_is_left_for_later_where_the_psp_does_not_tell_the_truth(
    receiver: WebhookReceiver, connector: SimulatorConnector, simulator: Simulator
) -> None:
    call = authorization()
    approved(connector, call)
    [delivery] = wait_for(receiver, call, EventType.AUTHORIZED)
    simulator.behave(faults={"error_before": 1})
    with pytest.raises(PspSilentError):
        connector.interpret(delivery.body, "")
    simulator.behave()
    elsewhere = delivery.body.replace(call.psp_key.encode(), b"of nobody")
    assert connector.interpret(elsewhere, "") is None


def test_what_was_not_delivered_goes_out_after_a_sigkill(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "simulator.db"
    calls = [authorization() for _ in range(20)]
    url = f"http://127.0.0.1:{port}/webhooks/{{psp_account}}"
    with _simulator_and_connector(data, url) as (simulator, connector):
        for call in calls:
            approved(connector, call)
        late = authorization("pm_card_late_success")
        simulator.behave(late_success={"after_s": FAR_S})
        assert isinstance(connector.execute(late), Declined)
        assert simulator.webhooks_waiting() == 21
        simulator.kill()
    with receiving_webhooks(port) as receiver, _simulator_and_connector(data, url) as (simulator, _):
        wait_until(lambda: simulator.webhooks_waiting() == 0)
        assert [one for one, _ in told(receiver, *calls)] == ["authorized"] * 20
        simulator.behave(clock_offset_s=FAR_S)
        wait_for(receiver, late, EventType.DECLINED, EventType.LATE_SUCCESS)
        assert simulator.moved(late) == [("authorize", 1000, 1)]


@contextmanager
def _simulator_and_connector(data: Path, url: str) -> Iterator[tuple[Simulator, SimulatorConnector]]:
    with running_simulator(data, webhooks_to=url) as simulator, simulator.connector() as connector:
        yield simulator, connector
