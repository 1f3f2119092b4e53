"""The kinds of jobs, and which of them do the same work and therefore never run at once."""

TRAIN, REFRESH, OPTIMIZE, MAINTAIN = "train_models", "refresh_catalog", "optimize_algorithms", "maintenance"
FORGET = "forget_histories"
KINDS = (TRAIN, REFRESH, OPTIMIZE, FORGET, MAINTAIN)

_CATALOGUE = "catalog_and_models"
LEASES = {
    TRAIN: _CATALOGUE,
    REFRESH: _CATALOGUE,
    OPTIMIZE: "parameters_and_weights",
    FORGET: _CATALOGUE,
    MAINTAIN: "maintenance",
}
"""The lease of a kind, by name. Training refreshes the catalogue itself, and leaves out what is forgotten."""
