"""Who may call which method, and what kind of work it is: one row for each RPC of every service.

A method without a row is refused to all but admins; a test walks all services and fails for it.
"""

from dataclasses import dataclass
from enum import Enum

from shared.api_keys import Role
from shared.limits import KIB, MAX_ELEMENT_BYTES, MAX_MESSAGE_BYTES
from shared.rpc.retries import reads


@dataclass(frozen=True)
class Limits:
    """What one kind of work may take.

    `calls_per_second` and `at_once` are of each key and method, `bytes` of each message of a request. `share` is the
    part of the server's places that the kind may fill: the smaller it is, the earlier the kind is refused under load.
    """

    calls_per_second: float
    at_once: int
    bytes: int
    share: float


class Work(Enum):
    """Kinds of work, those first that are refused last."""

    SERVE = Limits(calls_per_second=5_000, at_once=512, bytes=MAX_ELEMENT_BYTES, share=1.0)
    """One shopper waits for it: an event, a page."""
    WRITE = Limits(calls_per_second=500, at_once=128, bytes=MAX_ELEMENT_BYTES, share=0.75)
    """One customer or product is written or read."""
    BULK = Limits(calls_per_second=50, at_once=16, bytes=MAX_MESSAGE_BYTES, share=0.5)
    """Batches and streams."""
    REPORT = Limits(calls_per_second=50, at_once=16, bytes=64 * KIB, share=0.35)
    """Lists, exports, figures, jobs: nobody in the shop waits for them."""

    @property
    def limits(self) -> Limits:
        """The limits of this kind."""
        return self.value


@dataclass(frozen=True)
class Right:
    """A row: the roles that may call the method, and its kind of work.

    `browser` is the field of the request that says who the shopper is, for methods that browser keys may call: the
    path of a message, "" for the request itself. None closes the method to them.
    """

    roles: frozenset[Role]
    work: Work
    browser: str | None = None


_SHOP = frozenset({Role.STOREFRONT, Role.BACKEND, Role.MERCHANDISER, Role.ADMIN})
_STORE = frozenset({Role.STOREFRONT, Role.BACKEND, Role.ADMIN})
_BACK = frozenset({Role.BACKEND, Role.ADMIN})
_STAFF = frozenset({Role.BACKEND, Role.MERCHANDISER, Role.ADMIN})
_MERCHANTS = frozenset({Role.MERCHANDISER, Role.ADMIN})
_ADMIN = frozenset({Role.ADMIN})
_AGENTS: frozenset[Role] = frozenset()
"""No key opens these: they are called by agents, which show their certificate."""

COORDINATOR = "quintet.coordinator.v1.CoordinatorService"
_OF_COORDINATOR = {
    "RecordEvent": Right(_STORE, Work.SERVE, browser="event"),
    "BatchRecordEvents": Right(_BACK, Work.BULK),
    "ImportEvents": Right(_BACK, Work.BULK),
    "GetRecommendations": Right(_SHOP, Work.SERVE, browser=""),
    "BatchGetRecommendations": Right(_SHOP, Work.SERVE, browser=""),
    "RankProducts": Right(_SHOP, Work.SERVE, browser=""),
    "GetSimilarProducts": Right(_SHOP, Work.SERVE, browser=""),
    "RecordFeedback": Right(_STORE, Work.SERVE, browser="feedback"),
    "RegisterCustomer": Right(_BACK, Work.WRITE),
    "UpsertCustomer": Right(_BACK, Work.WRITE),
    "BatchUpsertCustomers": Right(_BACK, Work.BULK),
    "ImportCustomers": Right(_BACK, Work.BULK),
    "GetCustomer": Right(_BACK, Work.WRITE),
    "ListCustomers": Right(_BACK, Work.REPORT),
    "GetCustomerProfile": Right(_BACK, Work.WRITE),
    "DeleteCustomer": Right(_BACK, Work.WRITE),
    "ExportCustomer": Right(_BACK, Work.REPORT),
    "SetVisitorConsent": Right(_STORE, Work.WRITE, browser=""),
    "DeleteVisitor": Right(_BACK, Work.WRITE),
    "ExportVisitor": Right(_BACK, Work.REPORT),
    "GetErasureReceipt": Right(_BACK, Work.WRITE),
    "UpsertProduct": Right(_BACK, Work.WRITE),
    "BatchUpsertProducts": Right(_BACK, Work.BULK),
    "ImportProducts": Right(_BACK, Work.BULK),
    "UpdatePrices": Right(_BACK, Work.BULK),
    "UpdateInventory": Right(_BACK, Work.BULK),
    "DeleteProduct": Right(_BACK, Work.WRITE),
    "ListOffers": Right(_STAFF, Work.REPORT),
    "GetProduct": Right(_SHOP, Work.WRITE, browser=""),
    "ListProducts": Right(_STAFF, Work.REPORT),
    "GetProductPerformance": Right(_STAFF, Work.REPORT),
    "GetAlgorithmPerformance": Right(_MERCHANTS, Work.REPORT),
    "GetMetrics": Right(_MERCHANTS, Work.REPORT),
    "ExportMetrics": Right(_MERCHANTS, Work.REPORT),
    "RefreshCatalog": Right(_STAFF, Work.REPORT),
    "OptimizeAlgorithms": Right(_ADMIN, Work.REPORT),
    "TrainModels": Right(_ADMIN, Work.REPORT),
    "GetJob": Right(_STAFF, Work.REPORT),
    "WatchJob": Right(_STAFF, Work.REPORT),
    "ListJobs": Right(_STAFF, Work.REPORT),
    "CancelJob": Right(_ADMIN, Work.REPORT),
    "ListSchedules": Right(_STAFF, Work.REPORT),
    "UpdateSchedule": Right(_ADMIN, Work.REPORT),
    "RunSchedule": Right(_ADMIN, Work.REPORT),
    "CreatePlacement": Right(_MERCHANTS, Work.WRITE),
    "UpdatePlacement": Right(_MERCHANTS, Work.WRITE),
    "GetPlacement": Right(_STAFF, Work.WRITE),
    "ListPlacements": Right(_STAFF, Work.REPORT),
    "DeletePlacement": Right(_MERCHANTS, Work.WRITE),
    "CreateRule": Right(_MERCHANTS, Work.WRITE),
    "UpdateRule": Right(_MERCHANTS, Work.WRITE),
    "GetRule": Right(_STAFF, Work.WRITE),
    "ListRules": Right(_STAFF, Work.REPORT),
    "DeleteRule": Right(_MERCHANTS, Work.WRITE),
    "PreviewRules": Right(_MERCHANTS, Work.REPORT),
    "CreateExperiment": Right(_MERCHANTS, Work.WRITE),
    "GetExperiment": Right(_STAFF, Work.WRITE),
    "ListExperiments": Right(_STAFF, Work.REPORT),
    "StopExperiment": Right(_MERCHANTS, Work.WRITE),
    "ConcludeExperiment": Right(_MERCHANTS, Work.WRITE),
    "DeleteExperiment": Right(_MERCHANTS, Work.WRITE),
    "GetExperimentResults": Right(_MERCHANTS, Work.REPORT),
    "EstimateSampleSize": Right(_MERCHANTS, Work.REPORT),
    "EvaluateConfiguration": Right(_MERCHANTS, Work.REPORT),
    "GetEventQuality": Right(_STAFF, Work.REPORT),
    "ListUnjoinedEvents": Right(_BACK, Work.REPORT),
    "RejoinEvents": Right(_BACK, Work.REPORT),
    "PurgeEvents": Right(_ADMIN, Work.REPORT),
    "RebuildProjection": Right(_ADMIN, Work.REPORT),
    "ListFailedEvents": Right(_ADMIN, Work.REPORT),
    "ReplayFailedEvents": Right(_ADMIN, Work.REPORT),
    "ListModels": Right(_STAFF, Work.REPORT),
    "ActivateModel": Right(_ADMIN, Work.REPORT),
    "RollBackModel": Right(_ADMIN, Work.REPORT),
    "GetModelQuality": Right(_STAFF, Work.REPORT),
    "ListImprovementRuns": Right(_MERCHANTS, Work.REPORT),
    "GetImprovementRun": Right(_MERCHANTS, Work.REPORT),
    "PauseImprovement": Right(_ADMIN, Work.REPORT),
    "ResumeImprovement": Right(_ADMIN, Work.REPORT),
    "SetShadowModel": Right(_ADMIN, Work.REPORT),
    "DeleteShadowModel": Right(_ADMIN, Work.REPORT),
    "ListShadowModels": Right(_MERCHANTS, Work.REPORT),
    "GetWeights": Right(_STAFF, Work.REPORT),
    "SetWeights": Right(_ADMIN, Work.REPORT),
    "GetAttribution": Right(_STAFF, Work.REPORT),
    "GetDiagnosis": Right(_ADMIN, Work.REPORT),
    "GetStatus": Right(_STAFF, Work.REPORT),
}
_OF_AGENTS = {
    "quintet.customer.v1.CustomerService": {
        "UpsertCustomers": Work.BULK,
        "GetCustomer": Work.WRITE,
        "ListCustomers": Work.REPORT,
        "SetVisitorConsent": Work.WRITE,
        "ApplyEvents": Work.SERVE,
        "ReplayFailedEvents": Work.REPORT,
        "GetProfile": Work.WRITE,
        "GetPreferences": Work.WRITE,
        "GetSegments": Work.WRITE,
        "DetectBehaviorChange": Work.REPORT,
        "RefreshCustomers": Work.REPORT,
        "EraseCustomer": Work.WRITE,
        "GetErasureReceipt": Work.WRITE,
        "ExportCustomer": Work.REPORT,
    },
    "quintet.product.v1.ProductService": {
        "UpsertProducts": Work.BULK,
        "UpdatePrices": Work.BULK,
        "UpdateInventory": Work.BULK,
        "DeleteProduct": Work.WRITE,
        "RetireProducts": Work.REPORT,
        "ListOffers": Work.REPORT,
        "GetProduct": Work.WRITE,
        "ListProducts": Work.REPORT,
        "GetRelatedProducts": Work.SERVE,
        "GetProductPerformance": Work.REPORT,
        "RefreshCatalog": Work.REPORT,
    },
    "quintet.recommendation.v1.RecommendationService": {
        "Recommend": Work.SERVE,
        "BatchRecommend": Work.SERVE,
        "RankProducts": Work.SERVE,
        "CreatePlacement": Work.WRITE,
        "UpdatePlacement": Work.WRITE,
        "GetPlacement": Work.WRITE,
        "ListPlacements": Work.REPORT,
        "DeletePlacement": Work.WRITE,
        "CreateRule": Work.WRITE,
        "UpdateRule": Work.WRITE,
        "GetRule": Work.WRITE,
        "ListRules": Work.REPORT,
        "DeleteRule": Work.WRITE,
        "PreviewRules": Work.REPORT,
        "CreateExperiment": Work.WRITE,
        "GetExperiment": Work.WRITE,
        "ListExperiments": Work.REPORT,
        "StopExperiment": Work.WRITE,
        "ConcludeExperiment": Work.WRITE,
        "RecordExperimentAlarm": Work.WRITE,
        "DeleteExperiment": Work.WRITE,
        "EvaluateConfiguration": Work.REPORT,
        "TrainModels": Work.REPORT,
        "TestCandidate": Work.REPORT,
        "ReplayQuestions": Work.REPORT,
        "TuneAlgorithms": Work.REPORT,
        "ForgetHistories": Work.REPORT,
        "ListModelVersions": Work.REPORT,
        "ActivateModelVersion": Work.REPORT,
        "RollBackModelVersion": Work.REPORT,
        "GetModelQuality": Work.REPORT,
    },
    "quintet.feedback.v1.FeedbackService": {
        "ApplyEvents": Work.SERVE,
        "ReplayFailedEvents": Work.REPORT,
        "RebuildOutcomes": Work.REPORT,
        "GetAlgorithmPerformance": Work.REPORT,
        "GetMetrics": Work.REPORT,
        "ExportMetrics": Work.REPORT,
        "GetAttribution": Work.REPORT,
        "GetWeights": Work.REPORT,
        "UpdateWeights": Work.REPORT,
        "LearnBandits": Work.REPORT,
        "CheckDrift": Work.REPORT,
        "GetExperimentResults": Work.REPORT,
        "EstimateSampleSize": Work.REPORT,
    },
}
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
UNKNOWN = Right(_ADMIN, Work.WRITE)

RIGHTS: dict[str, Right] = (
    {f"/{COORDINATOR}/{name}": right for name, right in _OF_COORDINATOR.items()}
    | {
        f"/{service}/{name}": Right(_AGENTS, work)
        for service, methods in _OF_AGENTS.items()
        for name, work in methods.items()
    }
    | {f"/{service}/ServerReflectionInfo": Right(_SHOP, Work.REPORT) for service in REFLECTION}
)
"""By the full name of the method, such as `/quintet.coordinator.v1.CoordinatorService/GetProduct`."""

CHANGES: frozenset[str] = frozenset(
    f"/{COORDINATOR}/{name}"
    for name, right in _OF_COORDINATOR.items()
    if right.roles <= _MERCHANTS and name not in reads(COORDINATOR)
)
"""Methods that only merchandisers and admins may call and that change something: the log says who called them."""


def right_of(method: str) -> Right:
    """Return the row of a method; one that is not in the table is for admins only."""
    return RIGHTS.get(method, UNKNOWN)
