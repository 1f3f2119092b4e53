"""Visitors who are not logged in: a cookie with an id of ours, only for those who consent.

A browser consents by `consent=true` in a call, or by a cookie `quintet_consent=yes` that the shop sets. `Sec-GPC: 1`
and `DNT: 1` are a no, whatever else is said. A no deletes the cookie. Where nothing is said, a cookie that is there is
used: it was set with consent.
"""

import re
from dataclasses import dataclass
from http.cookies import SimpleCookie

from services.coordinator.http.request import Request
from shared.ids import new_id

VISITOR_COOKIE = "quintet_visitor"
CONSENT_COOKIE = "quintet_consent"
SECONDS_A_DAY = 86_400
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})
_VISITOR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Visitor:
    """Who is in front of the browser.

    Parameters
    ----------
    visitor_id : str
        Id of the cookie, there before or set with the answer; empty without consent.
    refused : bool
        Whether consent was denied.
    cookie : str
        Value of `Set-Cookie` for the answer; empty for none.
    """

    visitor_id: str = ""
    refused: bool = False
    cookie: str = ""

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        return [("set-cookie", self.cookie)] if self.cookie else []


def visitor_of(request: Request, consent: bool | None, days: int) -> Visitor:
    """Return the visitor of a request; `consent` is what the call itself says, `days` how long a cookie is kept."""
    known = request.cookies.get(VISITOR_COOKIE, "")
    known = known if _VISITOR_ID.fullmatch(known) else ""
    said = _said(request, consent)
    if said is False:
        return Visitor(refused=True, cookie=_cookie("", 0, request) if known else "")
    if known or said is None:
        return Visitor(known)
    made = new_id()
    return Visitor(made, cookie=_cookie(made, days * SECONDS_A_DAY, request))


def _said(request: Request, consent: bool | None) -> bool | None:
    """Return whether the browser consents; None where nothing is said."""
    if request.header("sec-gpc") == "1" or request.header("dnt") == "1":
        return False
    if consent is not None:
        return consent
    word = request.cookies.get(CONSENT_COOKIE, "").lower()
    return True if word in _YES else False if word in _NO else None


def _cookie(value: str, seconds: int, request: Request) -> str:
    jar: SimpleCookie = SimpleCookie()
    jar[VISITOR_COOKIE] = value
    morsel = jar[VISITOR_COOKIE]
    morsel["max-age"], morsel["path"] = str(seconds), "/"
    morsel["httponly"], morsel["samesite"] = True, "Lax"
    if request.encrypted:
        morsel["secure"] = True
    return morsel.OutputString()
