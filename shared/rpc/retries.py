"""Which methods gRPC repeats by itself when a call ends UNAVAILABLE: those that may be done twice without harm.

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
        "GetJob",
        "WatchJob",
        "ListJobs",
        "ListSchedules",
        "GetEventQuality",
        "ListUnjoinedEvents",
        "ListFailedEvents",
        "ListModels",
        "GetModelQuality",
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
    ),
    "quintet.feedback.v1.FeedbackService": ("GetAlgorithmPerformance", "GetAttribution", "GetWeights"),
}
_REPEATABLE_WRITES: dict[str, tuple[str, ...]] = {
    "quintet.coordinator.v1.CoordinatorService": (
        "CreatePlacement",
        "UpdatePlacement",
        "CreateRule",
        "UpdateRule",
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
    ),
    "quintet.customer.v1.CustomerService": ("ApplyEvents", "SetVisitorConsent"),
    "quintet.feedback.v1.FeedbackService": ("ApplyEvents",),
}
"""What is written comes out the same the second time; a second answer of `Recommend` is logged as one of its own."""
_POLICY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def repeated_methods() -> list[tuple[str, str]]:
    """Return service and method of all that is repeated."""
    groups = (_READS, _REPEATABLE_WRITES)
    return [(service, name) for group in groups for service, names in group.items() for name in names]


def reads(service: str) -> tuple[str, ...]:
    """Return the methods of a service that change nothing."""
    return _READS.get(service, ())


def method_config() -> list[dict[str, Any]]:
    """Return the part of a service config that says what is repeated, and how."""
    names = [{"service": service, "method": method} for service, method in repeated_methods()]
    return [{"name": names, "retryPolicy": _POLICY}]
