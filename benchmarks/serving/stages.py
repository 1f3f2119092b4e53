"""Which part of an answer a module works for. Change this table when modules are renamed; nothing else knows them.

A sample of the running program belongs to the innermost frame whose module is in the table; of several prefixes that
fit a module the longest counts. Frames of libraries that are not here (numpy, scipy) count for whom they work for.
"""

STAGES: dict[str, tuple[str, ...]] = {
    "SQL": ("sqlalchemy", "sqlite3", "shared.db"),
    "request": (
        "services.recommendation.convert",
        "services.recommendation.serving.request_context",
        "services.recommendation.serving.model_manager",
        "services.recommendation.serving.catalogue",
        "services.recommendation.serving.page_policy",
        "services.recommendation.serving.user_history",
        "services.recommendation.serving.pending_events",
    ),
    "candidates": (
        "services.recommendation.algorithms",
        "services.recommendation.serving.retrieval",
        "services.recommendation.serving.proposals",
        "services.recommendation.serving.text_index",
        "services.recommendation.reranker.candidates",
        "services.recommendation.reranker.popularity_prior",
        "services.recommendation.models",
    ),
    "features": (
        "services.recommendation.reranker.features",
        "services.recommendation.reranker.item_features",
        "services.recommendation.reranker.histories",
    ),
    "trees": (
        "lightgbm",
        "services.recommendation.reranker",
        "services.recommendation.serving.rerank",
    ),
    "fusion": ("services.recommendation.algorithms.fusion", "services.recommendation.serving.ranking"),
    "rules": (
        "services.recommendation.algorithms.diversity",
        "shared.page_rules",
    ),
    "reasons": (
        "services.recommendation.algorithms.reasons",
        "services.recommendation.serving.explain",
    ),
    "log": (
        "shared.recommendation_log",
        "shared.recommendation_tokens",
        "shared.db.recommendations",
        "shared.db.recommendation_items",
    ),
}
GRPC = "gRPC"
"""The two hops: what the shop waits for beyond the time that the agent itself takes."""
OTHER = "other"

_BY_PREFIX = {prefix: stage for stage, prefixes in STAGES.items() for prefix in prefixes}


def stage_of_module(module: str) -> str | None:
    """Return the stage of a module, None where it has none of its own."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        stage = _BY_PREFIX.get(".".join(parts[:length]))
        if stage is not None:
            return stage
    return None
