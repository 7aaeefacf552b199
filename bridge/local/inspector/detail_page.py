"""The page of one invocation."""

from __future__ import annotations

import time
from typing import get_args

from bridge.local.inspector.codings import decoded
from bridge.local.inspector.descriptions import described
from bridge.local.inspector.documents import bytes_document, json_document, text_document, value_document
from bridge.local.inspector.elements import Markup, element, fragment
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.json_text import parsed
from bridge.local.inspector.page import (
    button,
    duration,
    invocation_url,
    page,
    section,
    select,
    shortened,
    start_badge,
    status_badge,
)
from bridge.local.inspector.responses import body_of, log_of, prelude_of
from bridge.local.inspector.scopes import scope_of
from bridge.local.inspector.timeline import timeline
from bridge.local.invocation import Invocation
from bridge.testing.messages import values_of
from bridge.testing.services import ServiceName

__all__ = ["detail_page", "detail_sections"]

# In characters. The event has the whole path.
_MAX_HEADING = 300


def detail_page(gateway: Inspected, invocation: Invocation, *, base: str) -> Markup:
    sections = {id: element("div", part, id=id) for id, part in detail_sections(invocation, base=base).items()}
    url = invocation_url(base, invocation)
    event = section(
        "Event",
        json_document(invocation.event),
        id="event-section",
        links=element("a", "Download the event", href=f"{url}/event.json"),
    )
    what = described(invocation)
    return page(
        f"{invocation.method} {what}".strip()[:200],
        element("h1", f"{invocation.method} ", element("bdi", shortened(what, _MAX_HEADING))),
        sections["summary"],
        _actions(invocation, url, base),
        section("Timeline", sections["timeline"], id="timeline-section"),
        element(
            "div",
            element(
                "div",
                section(
                    "Response",
                    sections["response"],
                    id="response-section",
                    links=None
                    if invocation.source == "invoke"
                    else element("a", "Download the body", href=f"{url}/body"),
                ),
                section(
                    "Result",
                    sections["result"],
                    id="result-section",
                    links=element("a", "Download the result", href=f"{url}/result"),
                ),
            ),
            element("div", event, _scope(gateway, invocation)),
            class_="columns",
        ),
        section(
            "Log",
            _prints_elsewhere(base) if gateway.function.concurrency > 1 else None,
            sections["log"],
            id="log-section",
            links=element("a", "Download the log", href=f"{url}/log.txt"),
        ),
        base=base,
        feed=f"{url}/feed",
    )


def detail_sections(invocation: Invocation, *, base: str) -> dict[str, Markup]:
    """Return the parts of the page that change, by the ids of their elements."""
    return {
        "summary": _summary(invocation, base),
        "timeline": timeline(invocation),
        "response": _response(invocation),
        "result": _result(invocation),
        "log": _log(invocation),
    }


def _summary(invocation: Invocation, base: str) -> Markup:
    moment = time.strftime("%H:%M:%S", time.localtime(invocation.received))
    is_over = invocation.timeline.end is not None
    facts: list[tuple[str, str | Markup]] = [
        ("Status", status_badge(invocation)),
        ("Duration", duration(invocation) if is_over else "…"),
        ("Source", invocation.source),
        ("Start", start_badge(invocation)),
        ("Environment", "-" if invocation.environment is None else str(invocation.environment)),
        ("Received", moment),
        ("Id", element("code", invocation.id)),
    ]
    if invocation.replay_of:
        original = element("a", "the original", href=f"{base}/invocations/{invocation.replay_of}")
        difference = element("a", "what differs", href=f"{invocation_url(base, invocation)}/compare")
        facts.append(("Replay", fragment("of ", original, ", ", difference)))
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    return fragment(element("dl", *pairs, class_="summary"), _failure(invocation))


def _failure(invocation: Invocation) -> Markup | None:
    failure = invocation.failure
    if failure is None:
        return None
    return element(
        "div",
        element("strong", failure.error_type),
        element("p", failure.message[:4000]),
        _stack(failure.document) if failure.document else None,
        class_="failure",
    )


def _stack(document: bytes) -> Markup:
    """Return the stack trace of a runtime's error document; the document itself if it has none."""
    value, _ = parsed(document)
    lines = value.get("stackTrace") if isinstance(value, dict) else None
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        return json_document(document)
    return text_document("\n".join(line.rstrip("\n") for line in lines))


def _actions(invocation: Invocation, url: str, base: str) -> Markup:
    edited = element("a", "Edit and send", href=f"{base}/send?from={invocation.id}", class_="button")
    saved = element("a", "Save as a test", href=f"{url}/test", class_="button")
    other = None
    if invocation.request is not None:
        names = [(name, name) for name in get_args(ServiceName) if name != invocation.source]
        send = element("button", "Send")
        choice = select("source", "As", names)
        other = element("form", choice, send, method="post", action=f"{url}/replay", class_="inline")
    return element("div", button("Replay", f"{url}/replay", kind="main"), edited, saved, other, class_="buttons")


def _scope(gateway: Inspected, invocation: Invocation) -> Markup:
    event, is_json = parsed(invocation.event)
    scope, why_not = (
        scope_of(event, gateway.function.environ) if is_json else (None, "The event is not JSON, or nested too deeply.")
    )
    shown = value_document(scope) if scope is not None else element("p", why_not, class_="empty")
    note = element("p", "As an ASGI application gets it; byte strings are shown as text.", class_="note")
    return section("ASGI scope", note if scope is not None else None, shown, id="scope-section")


def _response(invocation: Invocation) -> Markup:
    response = invocation.response
    if response is None:
        text = "An event has none." if invocation.has_response else "The client does not have it yet."
        return element("p", text, class_="empty")
    pairs = (element("tr", element("th", name, scope="row"), element("td", value)) for name, value in response.headers)
    body, is_whole = body_of(invocation)
    content, coding = decoded(body, response.headers)
    is_json = is_whole and any("json" in value for value in values_of(response.headers, "content-type"))
    value, is_value = parsed(content) if is_json else (None, False)
    reasons = (element("li", reason) for reason in response.reasons)
    return fragment(
        element("ul", *reasons, class_="reasons") if response.reasons else None,
        element("table", element("tbody", *pairs), class_="headers", aria_label="Headers"),
        value_document(value) if is_value else bytes_document(content, is_whole=is_whole and not coding),
        element("p", coding, class_="note") if coding else None,
        None if is_whole else element("p", "The body so far, or the part of it that is kept.", class_="note"),
    )


def _result(invocation: Invocation) -> Markup:
    kept, size = len(invocation.result), invocation.result_size
    note = f"{size:,} bytes" + (f" of {invocation.content_type}" if invocation.content_type else "")
    note += f", of which {kept:,} are kept" if kept < size else ""
    prelude = prelude_of(invocation)
    if prelude is None:
        result = bytes(invocation.result)
        shown = bytes_document(result, is_whole=kept == size) if invocation.is_streamed else json_document(result)
    else:
        after = element("p", "The prelude of the stream. What follows it is the body of the response.", class_="note")
        shown = fragment(json_document(prelude), after)
    return fragment(element("p", note, class_="note") if size else None, shown)


def _log(invocation: Invocation) -> Markup:
    if not invocation.logs:
        return element("p", "Nothing.", class_="empty")
    return text_document(log_of(invocation))


def _prints_elsewhere(base: str) -> Markup:
    link = element("a", "list", href=f"{base}/")
    text = "With --concurrency, only lines with the id of an invocation belong to it. The "
    return element("p", text, link, " has all lines of each environment.", class_="note")
