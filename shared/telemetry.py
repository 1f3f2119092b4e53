"""Logs and metrics, alike in every process.

One JSON line per call at the edge: ids and counts, never personal data. The request id travels from the first server
to all others in the metadata key `x-request-id`.
"""

import logging
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from shared.config import Settings

request_id: ContextVar[str] = ContextVar("request_id", default="")

RPC_SECONDS = Histogram(
    "quintet_rpc_seconds",
    "Seconds a call took, by method and status code.",
    ["agent", "method", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
READY = Gauge("quintet_ready", "Whether a check of readiness holds: 1 or 0.", ["agent", "check"])
RPC_IN_PROGRESS = Gauge("quintet_rpc_in_progress", "Calls in progress.", ["agent"])
ADMISSION_PLACES = Gauge("quintet_admission_places", "Calls that may be in progress at once.", ["agent"])
CALLS_REFUSED = Counter(
    "quintet_calls_refused_total", "Calls refused before their request was read, by reason.", ["agent", "reason"]
)
FALLBACKS = Counter(
    "quintet_fallbacks_total", "Answers that fell back to something simpler, by reason.", ["agent", "reason"]
)
PAGES = Counter("quintet_recommendation_pages_total", "Pages answered: made anew, or kept from a moment ago.", ["how"])
RECOMMENDATIONS_DROPPED = Counter(
    "quintet_recommendations_dropped_total", "Recommendations that were not logged, by reason.", ["agent", "reason"]
)
SHADOW_ANSWERS = Counter(
    "quintet_shadow_answers_total", "Answers of the shadow model: answered, or dropped for want of time.", ["how"]
)
EVENTS = Counter("quintet_events_total", "Events received, by kind and outcome.", ["kind", "outcome"])
EVENTS_BEHIND = Gauge("quintet_events_behind", "Events recorded but not yet applied.", ["agent"])
HTTP_REFUSED = Counter(
    "quintet_http_refused_total",
    "HTTP requests that were refused before a call was made of them, by reason.",
    ["reason"],
)
UNJOINED_EVENTS = Gauge(
    "quintet_unjoined_events", "Events that wait for what they name to be known, or waited too long.", ["state"]
)
EVENTS_SET_ASIDE = Counter(
    "quintet_events_set_aside_total", "Times an event could not be applied and was set aside.", ["agent"]
)
EVENTS_SKIPPED = Counter(
    "quintet_projection_skipped_total",
    "Parts of events that had no effect on the customer's data, by reason.",
    ["reason"],
)
BACKGROUND_ERRORS = Counter("quintet_background_errors_total", "Errors in background work, by task.", ["agent", "task"])
ANSWERS = Counter(
    "quintet_answers_total",
    "Lists of recommendations answered, by strategy; the coordinator knows `passed_on` and `fallback`.",
    ["agent", "strategy"],
)
EMPTY_ANSWERS = Counter("quintet_empty_answers_total", "Lists of recommendations without a product.", ["agent"])
PERFORMANCE_ALERTS = Counter(
    "quintet_performance_alerts_total", "Figures of five minutes beyond their threshold.", ["agent", "figure"]
)
FINDINGS = Gauge("quintet_findings", "What is wrong by the coordinator's latest look.", ["code", "severity"])

AGENT_SERVING = Gauge("quintet_agent_serving", "Whether the coordinator finds an agent ready: 1 or 0.", ["agent"])
LOG_BEHIND = Gauge(
    "quintet_log_behind", "Events of the log that an agent has yet to apply, by the database.", ["agent"]
)
FAILED_EVENTS = Gauge("quintet_failed_events", "Events that an agent has set aside.", ["agent"])
DATABASE_ANSWERS = Gauge("quintet_database_answers", "Whether the database answers the coordinator: 1 or 0.")
DATABASE_DISK_FREE = Gauge("quintet_database_disk_free_bytes", "Free room on the disk of a SQLite file; 0 otherwise.")
DATABASE_DISK = Gauge("quintet_database_disk_bytes", "Size of the disk of a SQLite file; 0 otherwise.")
DATABASE_SIZE = Gauge("quintet_database_size_bytes", "Size of the database.")
DATABASE_WAL = Gauge("quintet_database_wal_bytes", "Size of the write-ahead log; 0 where it may not be seen.")
DATABASE_SERVER_CONNECTIONS = Gauge(
    "quintet_database_server_connections", "Connections of clients to the PostgreSQL server; 0 for SQLite."
)
DATABASE_CONNECTIONS = Gauge(
    "quintet_database_connections", "Connections to the database that this process uses at the moment."
)
WORK_UNFINISHED = Gauge(
    "quintet_work_unfinished", "Pieces of work that a thread does or that wait for one, by kind of work.", ["kind"]
)
MODEL_TRAINED = Gauge(
    "quintet_model_trained_timestamp_seconds", "When the model in use was trained; 0 before the first training."
)
JOB_STATE = Gauge(
    "quintet_job_state_timestamp_seconds",
    "Since when the last job of a kind is in its state: its start while it runs, else its end.",
    ["kind", "state"],
)
JOB_DUE = Gauge("quintet_job_due_timestamp_seconds", "When the next job of a kind is due.", ["kind"])
CERTIFICATE_ENDS = Gauge("quintet_certificate_end_timestamp_seconds", "When a certificate ends.", ["file"])
RESPONSES = Counter(
    "quintet_responses_total",
    "Responses to recommendations: shown, click, add_to_cart, dismiss, purchase, view_through.",
    ["kind"],
)


def configure_logging(settings: Settings, agent: str) -> None:
    """Set up structured logs on standard error with the agent's name on each line."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_request_id,
            structlog.processors.ExceptionRenderer(format_exception),
            renderer,
        ],
        wrapper_class=_logger_from(settings.log_level),
        # looked up at each line: standard error may be replaced after start-up
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(agent=agent)


def set_log_level(level: str) -> None:
    """Log from now on what is at least as severe as `level`, such as `info`."""
    structlog.configure(wrapper_class=_logger_from(level))


def format_exception(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """Return where an exception came from and of which kinds it and its causes are, without their messages.

    Messages of drivers and libraries quote values, which may be somebody's e-mail or what they searched for.
    """
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(traceback.format_tb(error.__traceback__)) + kind)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\ncaused ".join(reversed(parts))


def serve_metrics(port: int, host: str) -> None:
    """Serve Prometheus metrics at `http://host:port/metrics` from a thread; a port of 0 serves none."""
    if port:
        start_http_server(port, addr=host)


def _logger_from(level: str) -> type[structlog.typing.BindableLogger]:
    return structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])


def _add_request_id(
    _logger: structlog.typing.WrappedLogger, _method: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if request_id.get():
        entry["request_id"] = request_id.get()
    return entry
