"""The kinds of jobs, and which of them do the same work and therefore never run at once."""

TRAIN, REFRESH, OPTIMIZE, MAINTAIN = "train_models", "refresh_catalog", "optimize_algorithms", "maintenance"
KINDS = (TRAIN, REFRESH, OPTIMIZE, MAINTAIN)

_CATALOGUE = "catalog_and_models"
LEASES = {TRAIN: _CATALOGUE, REFRESH: _CATALOGUE, OPTIMIZE: "parameters_and_weights", MAINTAIN: "maintenance"}
"""The lease of a kind, by name. Training refreshes the catalogue itself."""
