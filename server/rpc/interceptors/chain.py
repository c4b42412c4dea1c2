"""The one order in which every call of a PayFlow service passes the interceptors."""

from __future__ import annotations

from server.config import Settings
from server.rpc.interceptors.admission import AdmissionInterceptor
from server.rpc.interceptors.authentication import AuthenticationInterceptor, Authenticator
from server.rpc.interceptors.correlation import CorrelationInterceptor
from server.rpc.interceptors.deadlines import DeadlineInterceptor
from server.rpc.interceptors.errors import ErrorInterceptor
from server.rpc.interceptors.measurement import MeasurementInterceptor
from server.rpc.interceptors.messages import MessageInterceptor
from server.rpc.interceptors.rate_limit import CallRates, RateLimitInterceptor
from server.rpc.interceptors.unary import Interceptor
from server.rpc.refusal import Refusals
from server.rpc.threads import RpcThreads


def interceptor_chain(
    settings: Settings,
    authenticator: Authenticator,
    threads: RpcThreads,
    calls_max: int,
    refusals: Refusals,
    rates: CallRates | None,
) -> list[Interceptor]:
    """Outermost first; without ``rates`` nobody's calls are counted.

    An error needs its correlation id, so that comes first; what is measured is what the error interceptor
    answers; a call is turned away before it costs anything, and nothing of a request is read for a caller
    who may not call. Whose call it is, the request says.
    """
    chain: list[Interceptor] = [
        CorrelationInterceptor(),
        ErrorInterceptor(),
        MeasurementInterceptor(),
        AdmissionInterceptor(threads, calls_max, refusals),
        DeadlineInterceptor(settings.api_timeout_s),
        AuthenticationInterceptor(authenticator),
        MessageInterceptor(settings.api_max_request_bytes),
    ]
    return chain if rates is None else [*chain, RateLimitInterceptor(rates)]
