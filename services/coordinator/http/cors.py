"""Which pages may call from a browser: those whose origin is on a list (Fetch standard, CORS protocol)."""

from collections.abc import Sequence

from services.coordinator.http.request import Request
from services.coordinator.http.response import Response

METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, X-Api-Key, X-Request-Id, X-Request-Timeout"
EXPOSED = "X-Request-Id, Retry-After"
PREFLIGHT_SECONDS = 600


class Cors:
    """Adds the headers by which a browser lets a page read an answer.

    Parameters
    ----------
    origins : sequence of str
        Origins that may, such as `https://shop.example`.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def preflight(self, request: Request) -> Response | None:
        """Return the answer when a browser asks whether a page may call; None for any other request."""
        if request.verb != "OPTIONS" or not request.header("access-control-request-method"):
            return None
        response = Response.empty()
        if request.header("origin") in self._origins:
            response.headers += [
                ("access-control-allow-methods", METHODS),
                ("access-control-allow-headers", HEADERS),
                ("access-control-max-age", str(PREFLIGHT_SECONDS)),
            ]
        return response

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the headers that every answer gets."""
        if not self._origins:
            return []
        vary = ("vary", "Origin")
        origin = request.header("origin")
        if origin not in self._origins:
            return [vary]
        return [
            vary,
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", EXPOSED),
        ]
