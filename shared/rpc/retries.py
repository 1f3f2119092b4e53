"""Which methods gRPC repeats by itself: those that may be done twice without harm.

It repeats calls that end UNAVAILABLE, and CANCELLED: so end calls that have arrived at a server and were not taken up
when it stopped.

A call that broke off may have been done. So a method is repeated only where it is listed here; all others are left to
the caller, who knows whether to try again.
"""

from typing import Any

_READS: dict[str, tuple[str, ...]] = {
    "grpc.health.v1.Health": ("Check",),
    "quintet.coordinator.v1.CoordinatorService": (
        "GetRecommendations",
        "BatchGetRecommendations",
        "RankProducts",
        "GetPlacement",
        "ListPlacements",
        "GetRule",
        "ListRules",
        "PreviewRules",
        "GetExperiment",
        "ListExperiments",
        "GetExperimentResults",
        "EstimateSampleSize",
        "EvaluateConfiguration",
        "GetSimilarProducts",
        "GetCustomer",
        "ListCustomers",
        "GetCustomerProfile",
        "ExportCustomer",
        "ExportVisitor",
        "GetErasureReceipt",
        "GetProduct",
        "ListProducts",
        "ListOffers",
        "GetProductPerformance",
        "GetAlgorithmPerformance",
        "GetMetrics",
        "ExportMetrics",
        "GetJob",
        "WatchJob",
        "ListJobs",
        "ListSchedules",
        "GetEventQuality",
        "ListUnjoinedEvents",
        "ListFailedEvents",
        "ListModels",
        "GetModelQuality",
        "ListImprovementRuns",
        "GetImprovementRun",
        "ListShadowModels",
        "GetWeights",
        "GetAttribution",
        "GetDiagnosis",
        "GetStatus",
    ),
    "quintet.customer.v1.CustomerService": (
        "GetCustomer",
        "ListCustomers",
        "GetErasureReceipt",
        "GetProfile",
        "GetPreferences",
        "GetSegments",
        "DetectBehaviorChange",
        "ExportCustomer",
    ),
    "quintet.product.v1.ProductService": (
        "GetProduct",
        "ListProducts",
        "ListOffers",
        "GetRelatedProducts",
        "GetProductPerformance",
    ),
    "quintet.recommendation.v1.RecommendationService": (
        "ListModelVersions",
        "GetModelQuality",
        "GetPlacement",
        "ListPlacements",
        "GetRule",
        "ListRules",
        "PreviewRules",
        "GetExperiment",
        "ListExperiments",
        "EvaluateConfiguration",
    ),
    "quintet.feedback.v1.FeedbackService": (
        "GetAlgorithmPerformance",
        "GetMetrics",
        "ExportMetrics",
        "GetAttribution",
        "GetWeights",
        "GetExperimentResults",
        "EstimateSampleSize",
    ),
}
_REPEATABLE_WRITES: dict[str, tuple[str, ...]] = {
    "quintet.coordinator.v1.CoordinatorService": (
        "CreatePlacement",
        "UpdatePlacement",
        "CreateRule",
        "UpdateRule",
        "CreateExperiment",
        "StopExperiment",
        "ConcludeExperiment",
        "UpsertCustomer",
        "BatchUpsertCustomers",
        "SetVisitorConsent",
        "UpsertProduct",
        "BatchUpsertProducts",
        "UpdatePrices",
        "UpdateInventory",
        "CancelJob",
        "UpdateSchedule",
        "ActivateModel",
        "PauseImprovement",
        "ResumeImprovement",
        "SetShadowModel",
        "DeleteShadowModel",
    ),
    "quintet.product.v1.ProductService": ("UpsertProducts", "UpdatePrices", "UpdateInventory"),
    "quintet.recommendation.v1.RecommendationService": (
        "Recommend",
        "BatchRecommend",
        "RankProducts",
        "ActivateModelVersion",
        "CreatePlacement",
        "CreateRule",
        "UpdatePlacement",
        "UpdateRule",
        "CreateExperiment",
        "StopExperiment",
        "ConcludeExperiment",
    ),
    "quintet.customer.v1.CustomerService": ("ApplyEvents", "SetVisitorConsent"),
    "quintet.feedback.v1.FeedbackService": ("ApplyEvents", "LearnBandits", "CheckDrift"),
}
"""What is written comes out the same the second time; a second answer of `Recommend` is logged as one of its own."""
_WRITES_WITH_IDS: dict[str, tuple[str, ...]] = {
    "quintet.coordinator.v1.CoordinatorService": ("RecordEvent", "BatchRecordEvents", "RecordFeedback"),
}
"""May be repeated by those who give each event and feedback an id."""
_POLICY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}


def repeated_methods() -> list[tuple[str, str]]:
    """Return service and method of all that is repeated."""
    return [*_pairs(_READS), *_pairs(_REPEATABLE_WRITES)]


def reads(service: str) -> tuple[str, ...]:
    """Return the methods of a service that change nothing."""
    return _READS.get(service, ())


def method_config(*, events_have_ids: bool = False) -> list[dict[str, Any]]:
    """Return the part of a service config that says what is repeated, and how."""
    also = _pairs(_WRITES_WITH_IDS) if events_have_ids else []
    names = [{"service": service, "method": method} for service, method in [*repeated_methods(), *also]]
    return [{"name": names, "retryPolicy": _POLICY}]


def _pairs(methods: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(service, name) for service, names in methods.items() for name in names]
