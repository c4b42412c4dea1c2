"""`payflow dlq`."""

from __future__ import annotations

import click

from payflow.v1 import dead_letter_pb2 as pb
from server.cli.listing import limit_option, print_list
from server.cli.output import print_one
from server.cli.remote import call, dead_letter_service, idempotency_key_option, remote_options
from server.gateway.enum_names import enum_names

COLUMNS = ("id", "merchant_id", "type", "state", "tries", "behind", "parked_at", "error")
DISCARDED = "discarded"
STATES = {
    name: number for number, name in enum_names(pb.DeadLetterState.DESCRIPTOR).items() if name != DISCARDED
}
ALL = "all"

merchant_option = click.option(
    "--merchant",
    "merchant_id",
    default="",
    metavar="MERCHANT",
    help="Whose it is; needed where the aggregate's id does not tell, as with account:cash.",
)


@click.group("dlq")
def command() -> None:
    """See events that a consumer could not take, and have them tried again or discarded, on a running server.

    Such an event is parked for that consumer after bounded retries, and later ones of its aggregate wait
    BEHIND it; ERROR says why. The relay, which publishes events, is a consumer, too.

    \b
    Examples:
      payflow dlq list
      payflow dlq list --consumer relay --state all --merchant shop_1
      payflow dlq show relay:pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz:3
      payflow dlq retry relay:pi_01m83r7m7zef2b586ssnrcjsb1b3zkwz:3
      payflow dlq discard analytics:account:cash:1 --merchant shop_1 --reason "a test account"
    """


@command.command("list")
@click.option("--consumer", default="", metavar="CONSUMER", help="Only this consumer's.")
@click.option("--merchant", "merchant_id", default="", metavar="MERCHANT", help="Only this merchant's.")
@click.option(
    "--state",
    type=click.Choice([*STATES, ALL]),
    default="parked",
    show_default=True,
    help="Only those in this state.",
)
@limit_option
@remote_options
def list_(
    *, consumer: str, merchant_id: str, state: str, limit: int, address: str | None, as_json: bool
) -> None:
    """List dead letters by merchant, consumer, aggregate and version; without options, what is parked."""
    request = pb.ListDeadLettersRequest(consumer=consumer, merchant_id=merchant_id)
    if state != ALL:
        request.state = pb.DeadLetterState.ValueType(STATES[state])
    with dead_letter_service(address) as service:
        print_list(service.ListDeadLetters, request, "dead_letters", limit, COLUMNS, as_json)


@command.command()
@click.argument("letter_id")
@merchant_option
@remote_options
def show(*, letter_id: str, merchant_id: str, address: str | None, as_json: bool) -> None:
    """Show the dead letter LETTER_ID with its headers and data."""
    with dead_letter_service(address) as service:
        request = pb.GetDeadLetterRequest(id=letter_id, merchant_id=merchant_id)
        print_one(call(service.GetDeadLetter, request), as_json)


@command.command()
@click.argument("letter_id")
@merchant_option
@idempotency_key_option
@remote_options
def retry(
    *, letter_id: str, merchant_id: str, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Have the parked event LETTER_ID tried again by its consumer, and in order what waits behind it."""
    with dead_letter_service(address) as service:
        request = pb.RetryDeadLetterRequest(id=letter_id, merchant_id=merchant_id)
        print_one(call(service.RetryDeadLetter, request, idempotency_key), as_json)


@command.command()
@click.argument("letter_id")
@click.option("--reason", required=True, metavar="TEXT", help="Why, up to 500 characters; it is kept.")
@merchant_option
@idempotency_key_option
@remote_options
def discard(
    *, letter_id: str, reason: str, merchant_id: str, idempotency_key: str, address: str | None, as_json: bool
) -> None:
    """Give the parked event LETTER_ID up for its consumer, for good; what waits behind it is then tried.

    The event stays in the history of its aggregate. That it was discarded, and why, is an event itself.
    """
    with dead_letter_service(address) as service:
        request = pb.DiscardDeadLetterRequest(id=letter_id, merchant_id=merchant_id, reason=reason)
        print_one(call(service.DiscardDeadLetter, request, idempotency_key), as_json)
