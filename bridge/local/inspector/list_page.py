"""The list of invocations, and the environments that run them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import get_args

from bridge.local.gateway import EnvironmentView
from bridge.local.inspector.descriptions import described
from bridge.local.inspector.elements import Child, Markup, element, fragment
from bridge.local.inspector.inspected import Inspected
from bridge.local.inspector.page import (
    button,
    details,
    duration,
    invocation_url,
    page,
    select,
    shortened,
    start_badge,
    status_badge,
)
from bridge.local.inspector.search import Search, found
from bridge.local.invocation import Invocation, Start
from bridge.testing.services import ServiceName

__all__ = ["list_page", "list_sections"]

_STATUSES = ["2xx", "3xx", "4xx", "5xx", "failed", "running"]

_COLUMNS = ("Time", "Method", "Path", "Source", "Status", "Duration", "Start")


def list_page(gateway: Inspected, search: Search, *, base: str) -> Markup:
    sections = list_sections(gateway, search, base=base)
    heads = (element("th", name, scope="col") for name in _COLUMNS)
    table = element(
        "table",
        element("caption", "Invocations, the newest first", class_="hidden"),
        element("thead", element("tr", *heads)),
        element("tbody", sections["rows"], id="rows"),
        class_="invocations",
    )
    return page(
        "Invocations",
        element("h1", "Invocations"),
        _function(gateway),
        element("section", sections["environments"], id="environments", aria_label="Execution environments"),
        _filter(search, base),
        element("p", sections["count"], id="count", class_="count"),
        table,
        element("nav", sections["more"], id="more", aria_label="Pages"),
        base=base,
        feed=None if search.before else f"{base}/feed{search.query()}",
        current="Invocations",
    )


def list_sections(gateway: Inspected, search: Search, *, base: str) -> dict[str, Markup]:
    """Return the parts of the page that change, by the ids of their elements."""
    invocations, has_more = found(gateway.history, search)
    return {
        "rows": _rows(invocations, gateway, search, base),
        "count": fragment(_count(len(gateway.history), len(invocations), has_more, search)),
        "more": _more(invocations, has_more, search, base),
        "environments": _environments(gateway, search, base),
    }


def _function(gateway: Inspected) -> Markup:
    function = gateway.function
    facts = [function.target, f"{function.memory} MB", f"{function.timeout:g} s", f"runtime {function.runtime}"]
    facts += ["streams"] if function.is_streamed else []
    facts += ["freezes"] if function.freezes else []
    facts += ["SnapStart"] if function.snapstart else []
    sources = (
        element("a", f"{source.name} · port {source.port}", href=f"http://127.0.0.1:{source.port}/", class_="tag")
        for source in gateway.sources
    )
    return element("p", element("code", facts[0]), f" · {' · '.join(facts[1:])} ", *sources, class_="facts")


def _filter(search: Search, base: str) -> Markup:
    sources = [("", "Any source"), *((name, name) for name in (*get_args(ServiceName), "websocket", "invoke"))]
    starts = [("", "Any start"), *((name, name) for name in get_args(Start))]
    statuses = [("", "Any status"), *((name, name) for name in _STATUSES)]
    text = element(
        "input",
        type="search",
        name="text",
        value=search.text,
        placeholder="Search paths, ids, errors; events, results and logs as written",
        autocomplete="off",
        spellcheck="false",
        aria_keyshortcuts="/",
    )
    return element(
        "form",
        element("label", element("span", "Search"), text, class_="field wide"),
        select("source", "Source", sources, search.source),
        select("status", "Status", statuses, search.status),
        select("start", "Start", starts, search.start),
        element("button", "Search", class_="submit"),
        id="filter",
        method="get",
        action=f"{base}/",
        role="search",
    )


def _count(total: int, shown: int, has_more: bool, search: Search) -> str:
    noun = "invocation" if total == 1 else "invocations"
    if search == Search():
        return f"{total:,} {noun}" + (f", the newest {shown} shown" if has_more else "")
    return f"{'The newest ' if has_more else ''}{shown} that match, of {total:,} {noun}"


def _more(invocations: list[Invocation], has_more: bool, search: Search, base: str) -> Markup:
    newest = element("a", "Newest", href=f"{base}/{search.query(before='')}") if search.before else None
    older = element("a", "Older", href=f"{base}/{search.query(before=invocations[-1].id)}") if has_more else None
    return fragment(newest, " ", older)


def _rows(invocations: list[Invocation], gateway: Inspected, search: Search, base: str) -> Markup:
    if invocations:
        return fragment(_row(invocation, base) for invocation in invocations)
    text: Child = "No invocation matches."
    if search == Search():
        send = element("a", "send a request or an event", href=f"{base}/send")
        urls = [f"http://127.0.0.1:{source.port}/" for source in gateway.sources[:1]]
        opens = (fragment("Open ", element("a", url, href=url), ", or ") for url in urls)
        text = fragment("No invocation yet. ", *opens, send, ".")
    return element("tr", element("td", text, colspan=len(_COLUMNS), class_="empty"), id="no-rows")


def _row(invocation: Invocation, base: str) -> Markup:
    moment = time.strftime("%H:%M:%S", time.localtime(invocation.received))
    link = element("a", element("bdi", shortened(described(invocation), 300)), href=invocation_url(base, invocation))
    replayed = element("span", " replay", class_="tag") if invocation.replay_of else None
    is_over = invocation.timeline.end is not None
    return element(
        "tr",
        element("td", moment, class_="time"),
        element("td", invocation.method[:20] or "event", class_="method"),
        element("td", link, replayed, class_="path"),
        element("td", invocation.source, class_="source"),
        element("td", status_badge(invocation), class_="status"),
        element("td", duration(invocation) if is_over else "…", class_="number"),
        element("td", start_badge(invocation), class_="started"),
        id=f"i-{invocation.id}",
    )


def _environments(gateway: Inspected, search: Search, base: str) -> Markup:
    snapstart, query = gateway.function.snapstart, search.query()
    actions = (
        ("Cold start", "cold-start", "End the environments: the next one is new"),
        ("Freeze", "freeze", "Stop the idle processes until they are needed"),
        ("Restore", "restore", "End the environments, and restore the next one from a new snapshot"),
    )
    buttons = []
    for label, name, title in actions:
        is_disabled = name == "restore" and not snapstart
        buttons.append(button(label, f"{base}/environments/{name}{query}", title=title, is_disabled=is_disabled))
    why_not = None if snapstart else element("small", "Restore requires --snapstart.")
    items = list(_environment_items(gateway.environments))
    none = element("p", "No environment runs. The next invocation starts one.", class_="none")
    return element(
        "div",
        element("ul", items, class_="environments") if items else none,
        element("div", *buttons, why_not, class_="buttons"),
        class_="bar",
    )


def _environment_items(environments: Iterable[EnvironmentView]) -> Iterable[Markup]:
    for environment in environments:
        pid = f", process {environment.pid}" if environment.pid is not None else ""
        log = "\n".join(environment.log[-200:])
        yield element(
            "li",
            element("span", environment.state, class_=f"badge {environment.state}"),
            details(
                f"Environment {environment.number}{pid}",
                element("pre", log[-20_000:] or "No output.", tabindex=0),
                id=f"environment-{environment.number}",
            ),
            id=f"environment-item-{environment.number}",
        )
