"""Traces across the agents: a span for each call where it arrives and where it leaves, joined by W3C `traceparent`.

Off unless `QUINTET_OTLP_ENDPOINT` says where spans go; then a call costs one comparison more. Spans name the method,
the status and the request id, nothing of the request itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from shared.config import Settings
from shared.errors import FailedPrecondition, QuintetError
from shared.telemetry import request_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

TRACEPARENT = "traceparent"
FAILED = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""Statuses that make a span one of an error; the others are answers that callers expect."""
_span: ContextVar["Span | None"] = ContextVar("span", default=None)
_tracing: "Tracing | None" = None


class Tracing:
    """Makes spans and hands them to an exporter, in the background and from a bounded queue."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("quintet")

    def start(self, name: str, *, server: bool, carried: Mapping[str, str] | None = None) -> "Span":
        """Return a new span: below the one in `carried` metadata, else below that of the call being answered."""
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = _span.get()
        context = None if above is None else set_span_in_context(above)
        if carried is not None:
            context = TraceContextTextMapPropagator().extract(carried)
        kind = SpanKind.SERVER if server else SpanKind.CLIENT
        attributes = {"rpc.system": "grpc", "rpc.method": name, "quintet.request_id": request_id.get()}
        return self._tracer.start_span(name, context, kind, attributes)

    def close(self) -> None:
        """Export what waits, and stop."""
        self._provider.shutdown()


def configure_tracing(settings: Settings, agent: str) -> None:
    """Begin to trace this process, if the settings say where to. Raises FailedPrecondition without the packages."""
    if not settings.otlp_endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise FailedPrecondition("traces need the extra packages `quintet[tracing]`") from error
    exporter = OTLPSpanExporter(
        endpoint=settings.otlp_endpoint, insecure=not settings.otlp_endpoint.startswith("https://")
    )
    trace_to(exporter, agent, settings.otlp_sample_share)


def trace_to(exporter: "SpanExporter", agent: str, sample_share: float = 1.0) -> None:
    """Hand a share (0 to 1) of new traces, and those that callers chose, to an exporter."""
    global _tracing
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    resource = Resource.create({"service.name": f"quintet-{agent}"})
    provider = TracerProvider(ParentBasedTraceIdRatio(sample_share), resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracing = Tracing(provider)


def stop_tracing() -> None:
    """Export what waits, and trace no more. Safe to repeat."""
    global _tracing
    if _tracing is not None:
        _tracing.close()
        _tracing = None


def start_server_span(method: str, context: Any) -> "Span | None":
    """Return a span for a call that arrived, below that of its caller; None when nothing is traced."""
    if _tracing is None:
        return None
    metadata = dict(context.invocation_metadata() or ())
    carried = {name: value for name, value in metadata.items() if name == TRACEPARENT and isinstance(value, str)}
    span = _tracing.start(method, server=True, carried=carried)
    _span.set(span)
    return span


def end_span(span: "Span | None", code: grpc.StatusCode) -> None:
    """End a span with the status of its call."""
    if span is None:
        return
    from opentelemetry.trace import StatusCode

    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if code in FAILED:
        span.set_status(StatusCode.ERROR)
    span.end()


def client_span(request: Any) -> AbstractContextManager[tuple[tuple[str, str], ...]]:
    """Give the metadata that carry the trace to who is called with `request`; nothing when nothing is traced."""
    if _tracing is None:
        return _NOTHING
    return _calling(_tracing, _name_of(request))


@contextmanager
def _calling(tracing: Tracing, name: str) -> Iterator[tuple[tuple[str, str], ...]]:
    span, code = tracing.start(name, server=False), grpc.StatusCode.OK
    try:
        yield (_carried(span),)
    except QuintetError as error:
        code = error.code
        raise
    except BaseException:
        code = grpc.StatusCode.CANCELLED
        raise
    finally:
        end_span(span, code)


def _carried(span: "Span") -> tuple[str, str]:
    found = span.get_span_context()
    return TRACEPARENT, f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"


def _name_of(request: Any) -> str:
    """Return the method that takes the request, by the name of its type."""
    if not isinstance(request, Message):
        return "stream"
    kind = request.DESCRIPTOR
    return f"{kind.file.package}/{kind.name.removesuffix('Request')}"


_NOTHING: AbstractContextManager[tuple[tuple[str, str], ...]] = nullcontext(())
