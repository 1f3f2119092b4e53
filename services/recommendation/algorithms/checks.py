"""Checks of configuration values, with the same error messages for all algorithms."""


def require_positive(**values: float) -> None:
    """Raise ValueError naming the first value that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: must be positive, got {value}")


def require_not_negative(**values: float) -> None:
    """Raise ValueError naming the first value that is below 0."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name}: must not be negative, got {value}")


def require_fraction(**values: float) -> None:
    """Raise ValueError naming the first value that is not between 0 and 1 (both included)."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: must be from 0 to 1, got {value}")
