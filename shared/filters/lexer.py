"""The lexer: the text of a filter expression as tokens."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from shared.filters.errors import FilterError


class TokenKind(StrEnum):
    """Kinds of tokens, named as error messages name them."""

    NAME = "a name"
    TEXT = "a text in quotes"
    NUMBER = "a number"
    OPERATOR = "an operator"
    PUNCTUATION = "punctuation"
    END = "the end"


class Token(NamedTuple):
    """One token: `text` as it was written, but for a text in quotes, which is unquoted; `position` is from 1."""

    kind: TokenKind
    text: str
    position: int


LONGEST_NUMBER = 30
"""Characters of a number."""
_PATTERN = re.compile(
    r"""
    (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<NUMBER>-?[0-9]+(?:\.[0-9]+)?)
    | (?P<TEXT>"(?:[^"\\]|\\["\\])*")
    | (?P<OPERATOR>!=|<=|>=|=|<|>)
    | (?P<PUNCTUATION>[():,.*-])
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_ESCAPE = re.compile(r'\\(["\\])')


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a text, the end last. Raises FilterError."""
    place = _after_space(text, 0)
    while place < len(text):
        found = _PATTERN.match(text, place)
        if found is None:
            raise FilterError(place + 1, _unreadable(text[place]))
        yield _token(found)
        place = _after_space(text, found.end())
    yield Token(TokenKind.END, "", len(text) + 1)


def unquoted(text: str) -> str:
    """Return what a text in quotes stands for."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def quoted(text: str) -> str:
    """Return a text in quotes: the inverse of `unquoted`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _token(found: re.Match[str]) -> Token:
    kind, text, position = TokenKind[found.lastgroup or "END"], found.group(), found.start() + 1
    if kind is TokenKind.NUMBER and len(text) > LONGEST_NUMBER:
        raise FilterError(position, f"a number has at most {LONGEST_NUMBER} characters")
    return Token(kind, unquoted(text) if kind is TokenKind.TEXT else text, position)


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()


def _unreadable(character: str) -> str:
    if character == '"':
        return 'the text in quotes has no end, or a backslash before something else than " or \\'
    return f"{character!r} begins neither a name, a text in quotes, a number nor an operator"
