"""What the page says of each RPC: HTTP, who may call, kind of work, whether to repeat it, request and answer."""

import re
from typing import Any

from scripts.api_reference.tables import TYPES_PAGE, Comments, fields
from services.coordinator.http.bindings import bindings_of
from shared.api_keys import Role
from shared.limits import KIB
from shared.rpc.retries import repeated_methods
from shared.rpc.rights import right_of

BEGIN, END = "<!-- call -->\n", "<!-- end of call -->\n"
_REPEAT = re.compile(r"[^.;]*\b[Ss]afe to repeat[^.]*\.")


def block(method: Any, comments: Comments) -> str:
    """Return what is said of an RPC of the coordinator, between its marks."""
    lines = [
        f"- HTTP: {_http(method)}",
        f"- Keys: {_keys(method)}",
        f"- Work: {_work(method)}",
        f"- Repeat: {repeat(method, comments)}",
        "",
        *fields(method.input_type, comments, _title("request", method.client_streaming), TYPES_PAGE),
        "",
        *fields(method.output_type, comments, _title("answer", method.server_streaming), TYPES_PAGE),
    ]
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def repeat(method: Any, comments: Comments) -> str:
    """Return whether an RPC may be repeated, as its comment says. Raises ValueError where nothing says it."""
    said = _REPEAT.search(comments.get(method.full_name, ""))
    if said:
        sentence = said.group(0).strip()
        return sentence[0].upper() + sentence[1:]
    if (method.containing_service.full_name, method.name) in repeated_methods():
        return "Safe to repeat."
    raise ValueError(f"the comment of {method.full_name} does not say whether it is safe to repeat")


def renewed(page: str, service: Any, comments: Comments) -> str:
    """Return the page with the present block of every RPC. Raises ValueError where one has no section."""
    for method in service.methods:
        section = re.compile(
            rf"(### {method.name}\n(?:(?!\n##? |\n### ).)*?```json\n.*?\n```\n)(.*?)(?=\n##? |\n### )", re.DOTALL
        )
        if section.search(page) is None:
            raise ValueError(f"docs/api.md has no section with an example for {method.name}")
        text = block(method, comments)
        page = section.sub(lambda found, text=text: f"{found.group(1)}\n{text}", page, count=1)
    return page


def _http(method: Any) -> str:
    bindings = [each for each in bindings_of(method.containing_service) if each.method.name == method.name]
    return ", ".join(f"`{each.verb} {each.path.text}`{_body(each.body)}" for each in bindings)


def _body(body: str) -> str:
    return f" with the `{body}` as body" if body not in ("", "*") else ""


def _keys(method: Any) -> str:
    right = right_of(f"/{method.containing_service.full_name}/{method.name}")
    roles = [role.value for role in Role if role in right.roles]
    return ", ".join([*roles, "browser keys"] if right.browser is not None else roles)


def _work(method: Any) -> str:
    work = right_of(f"/{method.containing_service.full_name}/{method.name}").work
    limits = work.limits
    return (
        f"{work.name}: {limits.calls_per_second:,.0f} calls a second and {limits.at_once:,} at once for each key, "
        f"{limits.bytes // KIB:,} KiB a message"
    )


def _title(what: str, streaming: bool) -> str:
    return f"each {what} of a stream" if streaming else what
