"""Paths of `google.api.http` annotations, such as `/v1/products/{product.product_id}/performance`.

Understood are literal segments, variables of one segment (`{name}`, also `{name=*}`) and a verb at the end (`:import`):
what the contract uses. Others are an error when the server starts.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=\*)?\}")


@dataclass(frozen=True)
class PathTemplate:
    """A path with variables.

    Parameters
    ----------
    text : str
        The template as the annotation has it.
    segments : tuple of str
        What stands between the slashes, without the verb; a variable is `""`.
    variables : tuple of str
        Field paths of the variables, in order.
    verb : str
        What stands behind the colon of the last segment; empty without one.
    """

    text: str
    segments: tuple[str, ...]
    variables: tuple[str, ...]
    verb: str

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Return the template of a text. Raises ValueError for what is not understood."""
        path, verb = _without_verb(text)
        segments, variables = [], []
        for segment in path.removeprefix("/").split("/"):
            match = _VARIABLE.fullmatch(segment)
            if not match and ("{" in segment or "*" in segment):
                raise ValueError(f"path template {text!r}: segment {segment!r} is not understood")
            segments.append("" if match else segment)
            variables += [match.group(1)] if match else []
        return cls(text, tuple(segments), tuple(variables), verb)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the variables, percent-decoded, of a raw path; None when it is another path."""
        if self.verb:
            if not path.endswith(f":{self.verb}"):
                return None
            path = path[: -len(self.verb) - 1]
        given = path.removeprefix("/").split("/")
        if len(given) != len(self.segments):
            return None
        values = []
        for want, got in zip(self.segments, given, strict=True):
            if want and want != got:
                return None
            if not want:
                values.append(unquote(got, errors="strict"))
        return dict(zip(self.variables, values, strict=True))


def _without_verb(text: str) -> tuple[str, str]:
    """Return the path and the verb of a template; a colon within braces begins none."""
    path, colon, verb = text.rpartition(":")
    return (path, verb) if colon and "}" not in verb and "/" not in verb else (text, "")
