"""How long work says how far it is."""

from typing import Protocol


class Show(Protocol):
    """Takes a word on what is being done and a fraction from 0 to 1."""

    def __call__(self, stage: str, fraction: float) -> None: ...
