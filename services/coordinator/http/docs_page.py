"""`/openapi.json` and `/docs`: the description of the HTTP calls, and a page that tries them.

The page loads nothing from elsewhere.
"""

from pathlib import Path

from services.coordinator.http.request import Request
from services.coordinator.http.response import JSON, Response

FOLDER = Path(__file__).parent
OPENAPI = FOLDER / "openapi.json"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "/openapi.json": (OPENAPI, JSON),
    "/docs": (FOLDER / "page" / "docs.html", "text/html; charset=utf-8"),
    "/docs/docs.js": (FOLDER / "page" / "docs.js", "text/javascript; charset=utf-8"),
    "/docs/docs.css": (FOLDER / "page" / "docs.css", "text/css; charset=utf-8"),
}


class DocsPage:
    """Answers the paths of the description and of the page. The files are read once."""

    def __init__(self) -> None:
        self._files = {path: (file.read_bytes(), kind) for path, (file, kind) in _FILES.items()}

    def verbs(self, path: str) -> list[str]:
        """Return the verb that a path takes; none for other paths."""
        return ["GET"] if path in self._files else []

    async def answer(self, request: Request, request_id: str) -> Response | None:
        """Return a file; None for another path or verb."""
        found = self._files.get(request.path)
        if found is None or request.verb != "GET":
            return None
        headers = [("cache-control", "public, max-age=300"), ("content-security-policy", _POLICY)]
        return Response(200, found[0], found[1], headers)
