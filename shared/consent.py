"""What shoppers agree to: by purpose, said or not, and what holds where nobody has said anything."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Purpose: TypeAlias = Literal["personalise", "measure", "train"]
PURPOSES: tuple[Purpose, ...] = ("personalise", "measure", "train")
NONE = "none"


class Permissions(NamedTuple):
    """Whether each purpose is permitted, by what was said or by default."""

    personalise: bool = True
    measure: bool = True
    train: bool = True

    @classmethod
    def parse(cls, text: str) -> "Permissions":
        """Return the purposes that are named in `text`, separated by commas; `none` names none.

        Raises ValueError for another word, and for an empty text.
        """
        named = {word.strip() for word in text.split(",")}
        if named != {NONE} and not named <= set(PURPOSES):
            raise ValueError(f"must be {NONE}, or of {', '.join(PURPOSES)} separated by commas; got {text!r}")
        return cls(*(purpose in named for purpose in PURPOSES))


ALL_PERMITTED = Permissions()


@dataclass(frozen=True)
class Consent:
    """What somebody said to each purpose: True agreed, False did not, None said nothing."""

    personalise: bool | None = None
    measure: bool | None = None
    train: bool | None = None

    @property
    def said(self) -> dict[Purpose, bool]:
        """What was said, by purpose."""
        return {purpose: value for purpose in PURPOSES if (value := getattr(self, purpose)) is not None}

    def over(self, other: "Consent") -> "Consent":
        """Return what is said here, and where nothing is, what the other says."""
        return Consent(**{**other.said, **self.said})

    def narrowed_by(self, other: "Consent") -> "Consent":
        """Return what is said when the other may deny, and speak where nothing is said here, but not grant more."""
        denied: dict[Purpose, bool] = {purpose: said for purpose, said in other.said.items() if not said}
        return Consent(**{**other.said, **self.said, **denied})

    def permissions(self, default: Permissions = ALL_PERMITTED) -> Permissions:
        """Return what is permitted."""
        return default._replace(**self.said)


NOTHING_SAID = Consent()
