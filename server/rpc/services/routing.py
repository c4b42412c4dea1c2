"""RoutingService over the commit pipeline, the directories and the routing reader."""

from __future__ import annotations

from itertools import islice

import grpc

from payflow.commands import merchant_scope
from payflow.commands.call import Answer, commit_and_answer
from payflow.commands.explain_routing import explain_routing
from payflow.commands.ports import Ports
from payflow.domain import fields
from payflow.domain.errors import invalid_field, not_found
from payflow.domain.ids import derive_id, slot_of
from payflow.domain.ledger.booking import INT64_MAX
from payflow.domain.merchant.state import Merchant
from payflow.domain.routing.commands import RoutingCommand, SetRoutingRules, StartExperiment, StopExperiment
from payflow.domain.routing.experiment import Experiment, Guardrail
from payflow.domain.routing.results import results_of
from payflow.domain.routing.rule_faults import FAULTS_MAX, faults_of_rules
from payflow.v1 import routing_pb2 as pb
from payflow.v1 import routing_pb2_grpc
from payflow.wire import routing as wire
from payflow.wire.dataclass_codec import fill, parse
from payflow.wire.timestamps import timestamp
from server.rpc.call import current_call
from server.rpc.services import page_token
from server.rpc.services.calls import changing_call, require_key, respond, scoped_merchant_id

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 50

_Changing = pb.SetRoutingRulesRequest | pb.CreateExperimentRequest | pb.StopExperimentRequest


class Routing(routing_pb2_grpc.RoutingServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def SetRoutingRules(
        self, request: pb.SetRoutingRulesRequest, context: grpc.ServicerContext
    ) -> pb.RoutingRulesVersion:
        merchant_id = self._scope(request)
        command = SetRoutingRules(merchant_id, wire.rule_set(request.rules, request.weights))
        return respond(self._answer("SetRoutingRules", request, command), pb.RoutingRulesVersion, context)

    def GetRoutingRules(
        self, request: pb.GetRoutingRulesRequest, context: grpc.ServicerContext
    ) -> pb.RoutingRulesVersion:
        merchant_id = _merchant_id(request.merchant_id)
        if request.version < 0:
            raise invalid_field("version", "must be 1 or more, or absent")
        if request.version:
            found = self._ports.routing.rules(merchant_id, request.version, current_call().deadline)
        else:
            newest = self._ports.routing.rule_versions(merchant_id, INT64_MAX, 1, current_call().deadline)
            found = newest[0] if newest else None
        if found is None:
            raise not_found("routing rules", str(request.version) if request.version else merchant_id)
        return wire.rules_version(found)

    def ListRoutingRuleVersions(
        self, request: pb.ListRoutingRuleVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListRoutingRuleVersionsResponse:
        merchant_id = _merchant_id(request.merchant_id)
        query = ("routing_rules", merchant_id)
        size = page_token.page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
        before = page_token.decode_number(request.page_token, *query) or INT64_MAX
        found = self._ports.routing.rule_versions(merchant_id, before, size + 1, current_call().deadline)
        page = found[:size]
        more = page_token.encode(str(page[-1].version), *query) if len(found) > size else ""
        return pb.ListRoutingRuleVersionsResponse(
            versions=[wire.rules_version(one) for one in page], next_page_token=more
        )

    def ValidateRoutingRules(
        self, request: pb.ValidateRoutingRulesRequest, context: grpc.ServicerContext
    ) -> pb.ValidateRoutingRulesResponse:
        merchant = self._merchant(request.merchant_id)
        rules = wire.rule_set(request.rules, request.weights)
        faults = islice(faults_of_rules(rules, merchant.psp_accounts), FAULTS_MAX)
        return pb.ValidateRoutingRulesResponse(
            faults=[pb.RoutingFault(field=one.field, description=one.description) for one in faults]
        )

    def ExplainRouting(
        self, request: pb.ExplainRoutingRequest, context: grpc.ServicerContext
    ) -> pb.ExplainRoutingResponse:
        if not request.payment_intent_id:
            raise invalid_field("payment_intent_id", "is required")
        call = current_call()
        asked_by = scoped_merchant_id(call, request.merchant_id)
        given = request.what_if if request.HasField("what_if") else None
        what_if = wire.rule_set(given.rules, given.weights, "what_if.") if given else None
        found = explain_routing(self._ports, request.payment_intent_id, asked_by, what_if, call.deadline)
        response = pb.ExplainRoutingResponse(
            payment_intent_id=request.payment_intent_id, decided_at=timestamp(found.decided_at)
        )
        fill(response.decision, found.decision)
        for attempt in found.attempts:
            fill(response.attempts.add(), attempt)
        if found.what_if is not None:
            fill(response.what_if, found.what_if)
        return response

    def CreateExperiment(
        self, request: pb.CreateExperimentRequest, context: grpc.ServicerContext
    ) -> pb.Experiment:
        merchant_id = self._scope(request)
        name = fields.text("name", request.name, fields.NAME_MAX)
        arms = wire.arms(request.arms)
        guardrail = parse(request.guardrail, Guardrail) if request.HasField("guardrail") else Guardrail()
        slot = self._merchant(merchant_id).slot

        def make(command_id: str) -> StartExperiment:
            return StartExperiment(merchant_id, derive_id("exp", command_id, slot), name, arms, guardrail)

        answer = commit_and_answer(self._ports, changing_call("CreateExperiment", request), make)
        self._ports.routings.forget(merchant_id)
        return respond(answer, pb.Experiment, context)

    def GetExperiment(self, request: pb.GetExperimentRequest, context: grpc.ServicerContext) -> pb.Experiment:
        merchant_id = _merchant_id(request.merchant_id)
        experiment = self._experiment(merchant_id, request.id)
        tallies = self._ports.routing.tallies(merchant_id, experiment.id, current_call().deadline)
        message = wire.experiment(experiment)
        message.results.extend(wire.arm_result(one) for one in results_of(experiment, tallies))
        return message

    def ListExperiments(
        self, request: pb.ListExperimentsRequest, context: grpc.ServicerContext
    ) -> pb.ListExperimentsResponse:
        merchant_id = _merchant_id(request.merchant_id)
        query = ("experiments", merchant_id)
        size = page_token.page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
        before = page_token.decode(request.page_token, *query)
        found = self._ports.routing.experiments(merchant_id, before, size + 1, current_call().deadline)
        page = found[:size]
        more = page_token.encode(page[-1].id, *query) if len(found) > size else ""
        return pb.ListExperimentsResponse(
            experiments=[wire.experiment(one) for one in page], next_page_token=more
        )

    def StopExperiment(
        self, request: pb.StopExperimentRequest, context: grpc.ServicerContext
    ) -> pb.Experiment:
        merchant_id = self._scope(request)
        self._experiment(merchant_id, request.id)
        command = StopExperiment(merchant_id, request.id)
        return respond(self._answer("StopExperiment", request, command), pb.Experiment, context)

    def _experiment(self, merchant_id: str, experiment_id: str) -> Experiment:
        found = None
        if slot_of(experiment_id) is not None:
            found = self._ports.routing.experiment(merchant_id, experiment_id, current_call().deadline)
        if found is None:
            raise not_found("experiment", experiment_id)
        return found

    def _answer(self, method: str, request: _Changing, command: RoutingCommand) -> Answer:
        answer = commit_and_answer(self._ports, changing_call(method, request), lambda _: command)
        # So that this process routes by the new state at once; others follow within moments.
        self._ports.routings.forget(command.merchant_id)
        return answer

    def _scope(self, request: _Changing) -> str:
        require_key()
        request.merchant_id = _merchant_id(request.merchant_id)
        return request.merchant_id

    def _merchant(self, merchant_id: str) -> Merchant:
        wanted = _merchant_id(merchant_id)
        merchant = self._ports.directory.read(wanted, current_call().deadline)
        if merchant is None:
            raise not_found("merchant", wanted)
        return merchant


def _merchant_id(merchant_id: str) -> str:
    return merchant_scope.required(scoped_merchant_id(current_call(), merchant_id))
