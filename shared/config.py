"""Settings of every process: from the environment (`QUINTET_*`), then a `.env` file, then these defaults."""

import os
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.attribution_rules import parse_rules
from shared.consent import Permissions

Agent = Literal["coordinator", "customer", "product", "recommendation", "feedback"]
AGENTS: tuple[Agent, ...] = ("coordinator", "customer", "product", "recommendation", "feedback")
PORTS_BETWEEN_REPLICAS = 10
AGENTS_TLS = ("agents_tls_cert", "agents_tls_key", "agents_tls_ca")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
MOST_USUAL_REPLICAS = 2
"""Recommendation agents where nobody says how many: a further one takes some 200 MiB."""


class Settings(BaseSettings):
    """What an operator can set. Each field is the environment variable `QUINTET_` plus its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="QUINTET_", env_file=".env", extra="ignore")

    database_url: str = Field(
        "sqlite:///quintet.db", description="`sqlite:///file.db` or `postgresql://user@host/name`."
    )
    database_connect_timeout_seconds: int = Field(
        5, ge=2, le=60, description="Seconds that a connection to PostgreSQL may take."
    )
    database_lock_timeout_seconds: float = Field(
        15.0, gt=0, le=600, description="Seconds that a transaction waits for a lock of another one."
    )
    database_statement_timeout_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds that one statement of an agent may take on PostgreSQL, and a transaction may rest. "
        "A server that says nothing for five seconds longer is taken for lost.",
    )
    database_job_timeout_seconds: float = Field(
        3600.0,
        gt=0,
        le=86400,
        description="The same for trainings, imports, maintenance, migrations, backups.",
    )
    bind_host: str = Field("127.0.0.1", description="Address every server binds to; `0.0.0.0` in containers.")

    auth: Literal["off", "required"] = Field(
        "off", description="Whether callers of the coordinator need an API key; `off` works on loopback only."
    )
    tls_cert: str = Field("", description="PEM file with the coordinator's certificate and those above it.")
    tls_key: str = Field("", description="PEM file with the key of that certificate.")
    tls_client_ca: str = Field(
        "", description="PEM file of the CA whose clients the coordinator accepts; empty: no client certificate."
    )
    tls_ca: str = Field("", description="PEM file of the CA by which commands trust the coordinator; empty: no TLS.")
    tls_client_cert: str = Field(
        "", description="PEM file with a certificate that commands show to the coordinator, where it asks for one."
    )
    tls_client_key: str = Field("", description="PEM file with the key of that certificate.")
    agents_tls_cert: str = Field(
        "", description="PEM file with the certificate of an agent among the agents; `{agent}` stands for its name."
    )
    agents_tls_key: str = Field("", description="PEM file with the key of that certificate, likewise.")
    agents_tls_ca: str = Field("", description="PEM file of the CA of the agents' certificates.")
    api_key: str = Field("", repr=False, description="API key that commands call the coordinator with.")
    api_key_file: str = Field("", description="File with that key; counts where no key is given.")
    rate_limit_factor: float = Field(
        1.0, ge=0, le=1000, description="Multiplies the calls a second that each key may make; 0 sets no such limit."
    )
    concurrency_limit_factor: float = Field(
        1.0, gt=0, le=1000, description="Multiplies the calls of a method that each key may have in progress."
    )

    coordinator_address: str = Field("127.0.0.1:50050", description="gRPC target of the coordinator.")
    customer_address: str = Field("127.0.0.1:50051", description="gRPC target of the customer agent.")
    product_address: str = Field("127.0.0.1:50052", description="gRPC target of the product agent.")
    recommendation_address: str = Field("127.0.0.1:50053", description="gRPC target of the recommendation agent.")
    feedback_address: str = Field("127.0.0.1:50054", description="gRPC target of the feedback agent.")
    training_address: str = Field(
        "",
        description="gRPC target of a recommendation agent that trains and answers no shopper; "
        "empty: those that answer train too.",
    )

    coordinator_port: int = Field(
        50050, ge=0, le=65535, description="Port the coordinator listens on; 0 takes a free one."
    )
    customer_port: int = Field(50051, ge=0, le=65535, description="Port the customer agent listens on.")
    product_port: int = Field(50052, ge=0, le=65535, description="Port the product agent listens on.")
    recommendation_port: int = Field(50053, ge=0, le=65535, description="Port the recommendation agent listens on.")
    feedback_port: int = Field(50054, ge=0, le=65535, description="Port the feedback agent listens on.")

    coordinator_metrics_port: int = Field(
        9090, ge=0, le=65535, description="Prometheus port of the coordinator; 0 is off."
    )
    customer_metrics_port: int = Field(9091, ge=0, le=65535, description="Prometheus port of the customer agent.")
    product_metrics_port: int = Field(9092, ge=0, le=65535, description="Prometheus port of the product agent.")
    recommendation_metrics_port: int = Field(
        9093, ge=0, le=65535, description="Prometheus port of the recommendation agent."
    )
    feedback_metrics_port: int = Field(9094, ge=0, le=65535, description="Prometheus port of the feedback agent.")

    http_port: int = Field(
        8080, ge=0, le=65535, description="Port on which the coordinator answers HTTP/JSON; 0 is off."
    )
    http_origins: str = Field(
        "",
        description="Origins of the pages whose scripts may call over HTTP, separated by commas, such as "
        "`https://shop.example`.",
    )
    http_visitor_cookie_days: int = Field(
        180, ge=1, le=400, description="Days that the cookie of a visitor who consented is kept."
    )

    recommendation_replicas: int = Field(
        0,
        ge=0,
        le=16,
        description="Recommendation agents that `quintet up` runs; each answers on one core. 0 takes two, or one on a "
        "machine of one core. Each further one listens ten ports above the one before, for metrics as well.",
    )
    fork_agents: bool = Field(
        True,
        description="Whether `quintet up` keeps a process that has imported what agents need, some 200 MiB, and forks "
        "the agents from it: a start from nothing takes one to four seconds longer. Linux only.",
    )

    exploration_seed: int = Field(
        0,
        ge=0,
        description="Seed of the random choices of bandits and exploration, so that a simulation can be repeated; 0 "
        "takes a new one at each start.",
    )
    keep_pages_seconds: float = Field(
        300.0,
        ge=0,
        le=3600,
        description="Seconds for which a page is shown again to who asks for it while nothing changed that it depends "
        "on; 0 makes each page anew.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    live_settings_file: str = Field(
        "",
        description="File with settings that take effect within a second, without a restart: `QUINTET_LOG_LEVEL`, "
        "`QUINTET_RATE_LIMIT_FACTOR`, `QUINTET_CONCURRENCY_LIMIT_FACTOR`, `QUINTET_ALERT_P99_MILLISECONDS` and "
        "`QUINTET_ALERT_MEMORY_MB`, a line each. It wins over the environment; empty: none.",
    )
    log_format: Literal["json", "console"] = Field("json", description="JSON lines, or coloured text for people.")

    otlp_endpoint: str = Field(
        "",
        description="Where traces go, the OTLP over gRPC of an OpenTelemetry collector, such as "
        "`http://127.0.0.1:4317`; empty: nothing is traced. Needs the extra `tracing`.",
    )
    otlp_sample_share: float = Field(
        1.0, ge=0, le=1, description="Share of the calls that are traced where their caller does not say."
    )
    monitor_seconds: float = Field(
        300.0,
        ge=0,
        le=86400,
        description="Seconds between the samples that each agent logs and stores of its response times, memory and "
        "processor; 0 takes none.",
    )
    alert_p99_milliseconds: float = Field(
        500.0, gt=0, description="Milliseconds of the 99th percentile of response times beyond which a sample alerts."
    )
    alert_memory_mb: float = Field(6000.0, gt=0, description="MiB of an agent's memory beyond which a sample alerts.")

    drain_seconds: float = Field(10.0, ge=0, description="Seconds a server gives calls in progress when it stops.")
    agent_timeout_seconds: float = Field(2.0, gt=0, description="Seconds the coordinator waits for another agent.")
    fallback_reserve_seconds: float = Field(
        0.2,
        ge=0,
        description="Seconds of a caller's deadline, at most half of it, that are kept for best-sellers when the "
        "recommendation agent does not answer.",
    )
    projection_partitions: int = Field(
        1,
        ge=1,
        le=64,
        description="Parts of the customers that several customer agents project side by side, on PostgreSQL; some "
        "more than there are agents. The agent that starts last decides. See docs/scaling.md.",
    )
    apply_timeout_seconds: float = Field(
        1.0, gt=0, description="Seconds after which an agent that leaves a recorded event waiting is named as pending."
    )
    model_cache_dir: str = Field(
        "",
        description="Folder of the model files that the agents of one machine share; empty: beside the SQLite file, "
        "or in the user's cache folder.",
    )
    model_store: str = Field(
        "",
        description="`s3://bucket/prefix` of a store with the protocol of Amazon S3 that new models go to; empty: the "
        "database.",
    )
    model_store_endpoint: str = Field("", description="`https://host:port` of that store where it is not Amazon's own.")
    model_store_region: str = Field("", description="Region of that bucket; empty: that of the environment.")
    training_source: str = Field(
        "database",
        description="Where trainings and tunings read what customers did: `database`, or `parquet:/folder` of files "
        "from a warehouse.",
    )
    train_threads: int = Field(2, ge=1, le=64, description="Threads that training may use.")
    train_most_interactions: int = Field(
        5_000_000,
        ge=10_000,
        description="Interactions that the costly parts of a training learn from, at most; of a larger shop they learn "
        "from those of customers drawn by chance.",
    )
    train_most_lists: int = Field(
        50_000,
        ge=0,
        description="Lists that shoppers saw which a training learns from beside what customers did, at most, the "
        "latest; 0 learns from none.",
    )
    train_lists_days: int = Field(90, ge=1, description="Age in days of the oldest of these lists.")
    gate: Literal["off", "offline", "canary"] = Field(
        "offline",
        description="What a trained model passes before it is in use: `offline` a paired test against the live model, "
        "`canary` a share of the shoppers after it; `off` nothing. See docs/continuous-improvement.md.",
    )
    gate_undecided: Literal["estimate", "keep"] = Field(
        "estimate",
        description="What becomes of a model of which the evidence does not tell in the end: `estimate` goes "
        "by the estimate as it is, `keep` keeps the former model.",
    )
    gate_margin: float = Field(
        0.05, ge=0, le=1, description="Loss of NDCG at 20, as a share of the live model's, that the paired test bears."
    )
    gate_questions: int = Field(
        2_000,
        ge=100,
        description="Shoppers whose latest steps a training leaves out to ask for them in the paired test.",
    )
    gate_holdout_days: float = Field(
        7.0, ge=1, description="Longest time in days, the latest, that a training leaves out for them."
    )
    gate_canary_share: float = Field(
        0.1,
        gt=0,
        le=0.5,
        description="Share of the shoppers that a canary meets, and later that stays on the former model.",
    )
    gate_canary_days: float = Field(
        14.0, gt=0, description="Days after which a canary is decided, whatever is known then."
    )
    gate_holdback_days: float = Field(
        7.0, ge=0, description="Days for which a share stays on the former model after a canary; 0 is none."
    )
    gate_tolerance: float = Field(
        0.1, gt=0, le=1, description="Relative loss of response that a canary bears; guardrails break beyond it."
    )
    improve_hours: float = Field(
        1.0,
        ge=0,
        description="Hours between looks at improvement runs; drift is looked for once a day. 0 is never.",
    )
    drift_false_alarms: float = Field(
        0.05, gt=0, lt=1, description="Probability of an alarm for drift in 30 days without a change."
    )
    drift_index: float = Field(
        0.2, ge=0, description="Population stability index from which on a shift of inputs counts as drift."
    )
    drift_change: float = Field(
        0.1,
        ge=0,
        description="Relative change of a response rate, or loss of quality, from which on it counts as drift.",
    )
    attribution_click_days: float = Field(
        7.0, gt=0, description="Days after a click in which a purchase is credited to it."
    )
    attribution_view_days: float = Field(
        1.0, gt=0, description="Days after an impression in which a purchase counts as view-through."
    )
    attribution_rules: str = Field(
        "first_touch,linear,position",
        description="Rules by which purchases are credited beside the last touch, for comparison: of `first_touch`, "
        "`linear` and `position`, separated by commas, or `none`. See docs/attribution.md.",
    )
    token_keys: str = Field(
        "generated",
        repr=False,
        description=(
            "Secret keys of recommendation ids: 64 hexadecimal digits each, separated by commas, the current first; "
            "`generated` takes a key that is made once and kept in the database."
        ),
    )
    default_consent: str = Field(
        "personalise,measure,train",
        description="Purposes that shoppers who said nothing agree to: of `personalise`, `measure` and `train`, "
        "separated by commas, or `none`. Alike for all agents.",
    )
    unknown_references: Literal["keep", "refuse"] = Field(
        "keep",
        description="`keep` keeps events that name a customer, product or order not known yet until it is; `refuse` "
        "answers NOT_FOUND.",
    )
    unjoined_days: int = Field(
        30, ge=1, description="Days that such an event waits; after that only `RejoinEvents` joins it."
    )
    event_quality_days: int = Field(
        30, ge=1, description="Days that counts of malformed, unknown, late and repeated events are kept."
    )
    plain_event_log: bool = Field(
        False,
        description="Write events as releases before the compact event log read them, in twice the room: while agents "
        "of such a release run beside.",
    )
    browsing_retention_days: int = Field(
        90,
        ge=1,
        description="Days that product views are kept; sessions and visitors go with the last row about them.",
    )
    page_event_retention_days: int = Field(
        90, ge=1, description="Days that searches and views of pages without a product are kept."
    )
    event_log_retention_days: int = Field(
        400,
        ge=30,
        description="Days that recorded events are kept in the log, from which tables are rebuilt and repeated events "
        "are known; what an agent has yet to apply stays.",
    )
    failed_event_retention_days: int = Field(
        90, ge=1, description="Days that an event which an agent could not apply can be replayed."
    )
    recommendation_retention_days: int = Field(
        35, ge=1, description="Days that lists of recommendations are kept to which nobody responded."
    )
    response_retention_days: int = Field(
        400,
        ge=30,
        description="Days after the last display or click that recommendations are kept, with the rest of their lists "
        "and what was credited to them; dismissed ones stay.",
    )
    metric_retention_days: int = Field(
        800, ge=30, description="Days that facts of sessions and aggregates of metrics are kept."
    )
    job_retention_days: int = Field(
        90, ge=1, description="Days that the rows of ended jobs are kept; the last of each kind stays."
    )
    refresh_catalog_hours: float = Field(1.0, ge=0, description="Hours between catalogue refreshes; 0 is never.")
    optimize_hours: float = Field(24.0, ge=0, description="Hours between optimisations of the weights; 0 is never.")
    tune_minutes: float = Field(
        10.0, ge=0, description="Minutes that an optimisation may try parameters of the algorithms; 0 is never."
    )
    train_hours: float = Field(168.0, ge=0, description="Hours between trainings; 0 is never.")
    forget_hours: float = Field(
        1.0,
        ge=0,
        description="Hours between looks for histories to remove from stored models; 0 is after erasures only.",
    )
    maintenance_hours: float = Field(24.0, ge=0, description="Hours between database maintenance runs; 0 is never.")

    @field_validator("http_origins")
    @classmethod
    def _origins_are_origins(cls, value: str) -> str:
        for origin in filter(None, value.split(",")):
            if not _ORIGIN.fullmatch(origin.strip()):
                raise ValueError(f"{origin.strip()!r} is not an origin such as https://shop.example")
        return value

    @field_validator("model_store")
    @classmethod
    def _is_a_bucket(cls, value: str) -> str:
        if value and not _BUCKET.fullmatch(value):
            raise ValueError(f"{value!r} is not the address of a bucket such as s3://models/quintet")
        return value

    @field_validator("training_source")
    @classmethod
    def _is_a_source(cls, value: str) -> str:
        if value != "database" and not value.startswith("parquet:/"):
            raise ValueError(f"{value!r} is neither database nor parquet:/folder")
        return value

    @field_validator("default_consent")
    @classmethod
    def _names_purposes(cls, value: str) -> str:
        Permissions.parse(value)
        return value

    @field_validator("attribution_rules")
    @classmethod
    def _names_rules(cls, value: str) -> str:
        parse_rules(value)
        return value

    @model_validator(mode="after")
    def _responses_outlast_what_reads_them(self) -> "Settings":
        longest = max(self.attribution_click_days, self.attribution_view_days, self.recommendation_retention_days)
        if self.response_retention_days < longest:
            raise ValueError(
                f"response_retention_days must be at least {longest:g}: the longest of attribution_click_days, "
                "attribution_view_days and recommendation_retention_days"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        for names in (("tls_cert", "tls_key"), ("tls_client_cert", "tls_client_key"), AGENTS_TLS):
            given = [name for name in names if getattr(self, name)]
            if given and len(given) < len(names):
                raise ValueError(f"{' and '.join(names)} belong together, only {' and '.join(given)} is set")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError("tls_client_ca needs tls_cert and tls_key")
        return self

    @property
    def tls_files(self) -> dict[str, str]:
        """The settings that name files of certificates."""
        names = ("tls_cert", "tls_key", "tls_client_ca", "tls_ca", "tls_client_cert", "tls_client_key", *AGENTS_TLS)
        return {name: getattr(self, name) for name in names}

    def allowed_origins(self) -> list[str]:
        """Return the origins of the pages that may call over HTTP."""
        return [origin.strip() for origin in self.http_origins.split(",") if origin.strip()]

    @property
    def permissions(self) -> Permissions:
        """What is permitted where a shopper has said nothing."""
        return Permissions.parse(self.default_consent)

    def address(self, agent: Agent) -> str:
        """Return the gRPC target at which `agent` is called."""
        return str(getattr(self, f"{agent}_address"))

    def port(self, agent: Agent) -> int:
        """Return the port `agent` listens on."""
        return int(getattr(self, f"{agent}_port"))

    def metrics_port(self, agent: Agent) -> int:
        """Return the Prometheus port of `agent`; 0 means none."""
        return int(getattr(self, f"{agent}_metrics_port"))

    def replicas(self, agent: Agent) -> int:
        """Return how many processes of `agent` run on one machine."""
        if agent != "recommendation":
            return 1
        return self.recommendation_replicas or min(usable_cores(), MOST_USUAL_REPLICAS)

    def of_replica(self, agent: Agent, number: int) -> "Settings":
        """Return the settings of a replica of `agent`, from 0: with ports of its own."""
        shift = PORTS_BETWEEN_REPLICAS * number
        ports = {name: getattr(self, name) for name in (f"{agent}_port", f"{agent}_metrics_port")}
        return self.model_copy(update={name: port + shift for name, port in ports.items() if port})

    def for_local_replicas(self) -> "Settings":
        """Return the settings with the addresses of all replicas on this machine, where an agent has several."""
        several = [agent for agent in AGENTS if self.replicas(agent) > 1]
        return self.model_copy(update={f"{agent}_address": self._local_target(agent) for agent in several})

    def _local_target(self, agent: Agent) -> str:
        """Return a gRPC target of several addresses, among which the caller spreads its calls."""
        ports = [self.of_replica(agent, number).port(agent) for number in range(self.replicas(agent))]
        return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
