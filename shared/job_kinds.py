"""The kinds of jobs, and which of them do the same work and therefore never run at once."""

TRAIN, REFRESH, OPTIMIZE, MAINTAIN = "train_models", "refresh_catalog", "optimize_algorithms", "maintenance"
FORGET = "forget_histories"
IMPROVE = "improve_models"
PURGE, REBUILD = "purge_events", "rebuild_projection"
SCHEDULED = (TRAIN, REFRESH, OPTIMIZE, FORGET, IMPROVE, MAINTAIN)
"""Kinds that the clock starts."""
KINDS = (*SCHEDULED, PURGE, REBUILD)

_CATALOGUE, _PROJECTIONS = "catalog_and_models", "projections"
LEASES = {
    TRAIN: _CATALOGUE,
    REFRESH: _CATALOGUE,
    OPTIMIZE: "parameters_and_weights",
    FORGET: _CATALOGUE,
    IMPROVE: "improvement",
    MAINTAIN: "maintenance",
    PURGE: _PROJECTIONS,
    REBUILD: _PROJECTIONS,
}
"""The lease of a kind, by name. Training refreshes the catalogue itself, and leaves out what is forgotten."""
