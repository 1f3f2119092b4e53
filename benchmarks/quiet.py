"""Settings of agents that start no jobs by themselves: what they do is what is measured."""

from typing import Any

NO_JOBS: dict[str, Any] = dict.fromkeys(
    ("train_hours", "improve_hours", "optimize_hours", "refresh_catalog_hours", "maintenance_hours"), 0
)
