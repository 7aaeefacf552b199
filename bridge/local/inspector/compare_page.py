"""Two invocations beside each other: what differs in their events, scopes, results and responses."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from bridge.local.inspector.codings import decoded
from bridge.local.inspector.descriptions import described
from bridge.local.inspector.documents import difference_document
from bridge.local.inspector.elements import Markup, element, fragment
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.json_text import parsed
from bridge.local.inspector.page import duration, invocation_url, page, section, shortened, status_badge
from bridge.local.inspector.responses import body_of, prelude_of
from bridge.local.inspector.scopes import scope_of
from bridge.local.invocation import Invocation

__all__ = ["compare_page", "compare_sections"]

# In bytes. The gateway does nothing else while it compares two documents: a tenth of a second at most.
_MAX_COMPARED = 200_000


def compare_page(gateway: Inspected, first: Invocation, second: Invocation, *, base: str) -> Markup:
    sections = {id: element("div", part, id=id) for id, part in compare_sections(first, second, base=base).items()}
    url = invocation_url(base, second)
    events = _value(first.event), _value(second.event)
    environ = gateway.function.environ
    return page(
        "What differs",
        element("h1", "What differs"),
        sections["both"],
        element(
            "p", element("del", "- only in the first"), " ", element("ins", "+ only in the second"), class_="legend"
        ),
        section("Event", difference_document(*events), id="event-section"),
        section("ASGI scope", difference_document(*(_scope(event, environ) for event in events)), id="scope-section"),
        section("Result", sections["result"], id="result-section"),
        section("Response", sections["response"], id="response-section"),
        base=base,
        feed=f"{url}/compare/feed?with={first.id}",
    )


def compare_sections(first: Invocation, second: Invocation, *, base: str) -> dict[str, Markup]:
    """Return the parts of the page that change, by the ids of their elements."""
    return {
        "both": element("ol", _line(first, base), _line(second, base), class_="both"),
        "result": difference_document(_result(first), _result(second)),
        "response": difference_document(_response(first), _response(second)),
    }


def _line(invocation: Invocation, base: str) -> Markup:
    link = element("a", element("bdi", shortened(described(invocation), 300)), href=invocation_url(base, invocation))
    facts = fragment(" ", element("span", invocation.source, class_="tag"), " ", status_badge(invocation), " ")
    return element("li", f"{invocation.method} ", link, facts, duration(invocation))


def _value(content: bytes) -> Any:
    """Return the JSON value, or the text of what is not JSON."""
    if len(content) > _MAX_COMPARED:
        return f"{len(content):,} bytes, too many to compare. SHA-256: {sha256(content).hexdigest()}"
    value, is_json = parsed(content)
    return value if is_json else _lines(content)


def _result(invocation: Invocation) -> Any:
    prelude = prelude_of(invocation)
    return _value(bytes(invocation.result)) if prelude is None else {"prelude": _value(prelude)}


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").splitlines()


def _scope(event: Any, environ: Any) -> Any:
    scope, why_not = scope_of(event, environ)
    return why_not if scope is None else scope


def _response(invocation: Invocation) -> Any:
    response = invocation.response
    if response is None:
        return None
    body, _ = decoded(body_of(invocation)[0], response.headers)
    return {"status": response.status, "headers": [list(pair) for pair in response.headers], "body": _value(body)}
