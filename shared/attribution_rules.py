"""The attribution rules by name: `last_touch` always counts, `view_through` where nobody clicked, the others beside."""

LAST_TOUCH = "last_touch"
VIEW_THROUGH = "view_through"
FIRST_TOUCH = "first_touch"
LINEAR = "linear"
POSITION = "position"
BESIDE = (FIRST_TOUCH, LINEAR, POSITION)
"""Rules that can be computed beside the last touch."""
NONE = "none"


def parse_rules(text: str) -> tuple[str, ...]:
    """Return the rules beside the last touch that `text` names, separated by commas; `none` names none.

    Raises ValueError for another word, and for an empty text.
    """
    named = [word.strip() for word in text.split(",")]
    if named == [NONE]:
        return ()
    if not set(named) <= set(BESIDE):
        raise ValueError(f"must be {NONE}, or of {', '.join(BESIDE)} separated by commas; got {text!r}")
    return tuple(rule for rule in BESIDE if rule in named)
