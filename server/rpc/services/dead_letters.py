"""DeadLetterService over the commit pipeline and the reader of dead letters."""

from __future__ import annotations

import grpc

from payflow.commands import merchant_scope
from payflow.commands.call import commit_and_answer
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.dead_letter import DeadLetterFilter, DeadLetterState, LetterKey, is_consumer, parse_id
from payflow.domain.dead_letter_commands import KIND, DeadLetterCommand, DiscardDeadLetter, RetryDeadLetter
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.ids import slot_of
from payflow.v1 import dead_letter_pb2 as pb
from payflow.v1 import dead_letter_pb2_grpc
from payflow.wire.dead_letters import dead_letter
from payflow.wire.enums import member_of
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import (
    changing_call,
    require_key,
    required_reason,
    respond,
    scoped_merchant_id,
)

_Changing = pb.RetryDeadLetterRequest | pb.DiscardDeadLetterRequest

KEPT_STATES = (DeadLetterState.PARKED, DeadLetterState.WAITING, DeadLetterState.RETRYING)


class DeadLetters(dead_letter_pb2_grpc.DeadLetterServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> pb.ListDeadLettersResponse:
        call = current_call()
        wanted = _filter(request, scoped_merchant_id(call, request.merchant_id))
        query = ("dead_letters", wanted.consumer, wanted.merchant_id, wanted.state or "")
        size = page_token.page_size(request.page_size)
        after = _after(page_token.decode(request.page_token, *query))
        found = self._ports.dead_letters.page(wanted, after, size + 1, call.deadline)
        page = found[:size]
        more = page_token.encode(_position(page[-1].dead_letter.key), *query) if len(found) > size else ""
        return pb.ListDeadLettersResponse(dead_letters=map(dead_letter, page), next_page_token=more)

    def GetDeadLetter(self, request: pb.GetDeadLetterRequest, context: grpc.ServicerContext) -> pb.DeadLetter:
        found = self._ports.dead_letters.find(self._key(request), current_call().deadline)
        if found is None:
            raise not_found(KIND, request.id)
        return dead_letter(found)

    def RetryDeadLetter(
        self, request: pb.RetryDeadLetterRequest, context: grpc.ServicerContext
    ) -> pb.DeadLetter:
        require_key()
        return self._answer("RetryDeadLetter", request, RetryDeadLetter(self._key(request)), context)

    def DiscardDeadLetter(
        self, request: pb.DiscardDeadLetterRequest, context: grpc.ServicerContext
    ) -> pb.DeadLetter:
        require_key()
        reason = required_reason(request.reason)
        command = DiscardDeadLetter(self._key(request), reason)
        return self._answer("DiscardDeadLetter", request, command, context)

    def _answer(
        self, method: str, request: _Changing, command: DeadLetterCommand, context: grpc.ServicerContext
    ) -> pb.DeadLetter:
        request.merchant_id = command.merchant_id
        answer = commit_and_answer(self._ports, changing_call(method, request), lambda _: command)
        return respond(answer, pb.DeadLetter, context)

    def _key(self, request: pb.GetDeadLetterRequest | _Changing) -> LetterKey:
        """What an id means; a generated id of an aggregate tells its merchant."""
        if not request.id:
            raise invalid_field("id", "is required")
        named = parse_id(request.id)
        if named is None:
            raise not_found(KIND, request.id)
        consumer, aggregate_id, version = named
        call = current_call()
        merchant_id = scoped_merchant_id(call, request.merchant_id)
        if slot_of(aggregate_id) is None:
            owner = merchant_scope.required(merchant_id)
        else:
            owner = merchant_scope.owner_of(
                self._ports, "aggregate", aggregate_id, merchant_id, call.deadline
            )
        return LetterKey(owner, consumer, aggregate_id, version)


def _filter(request: pb.ListDeadLettersRequest, merchant_id: str) -> DeadLetterFilter:
    state = member_of(pb.DeadLetterState.DESCRIPTOR, request.state, DeadLetterState)
    if request.state != pb.DEAD_LETTER_STATE_UNSPECIFIED and state not in KEPT_STATES:
        raise invalid_field("state", "must be PARKED, WAITING or RETRYING")
    if merchant_id:
        fields.merchant_id(merchant_id)
    if request.consumer and not is_consumer(request.consumer):
        raise invalid_field("consumer", "must be 1 to 63 of lower-case letters, digits and '-'")
    return DeadLetterFilter(request.consumer, merchant_id, state)


def _position(key: LetterKey) -> str:
    return f"{key.merchant_id} {key.id}"


def _after(position: str) -> LetterKey | None:
    merchant_id, _, identifier = position.partition(" ")
    named = parse_id(identifier)
    return LetterKey(merchant_id, *named) if named else None
