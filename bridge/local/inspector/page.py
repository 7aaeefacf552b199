"""The frame of every page, and the small parts that several pages have."""

from __future__ import annotations

from bridge.local.inspector.elements import Child, Markup, element, fragment
from bridge.local.inspector.responses import status_of
from bridge.local.inspector.timeline import seconds
from bridge.local.invocation import Invocation

__all__ = [
    "button",
    "details",
    "duration",
    "invocation_url",
    "message_page",
    "page",
    "section",
    "select",
    "shortened",
    "start_badge",
    "status_badge",
]


def page(title: str, *content: Child, base: str, feed: str | None = None, current: str = "") -> Markup:
    """Return a page. `base`: the path that the inspector is mounted at. `feed`: the URL of its changes.

    `current`: which page of the navigation it is.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · bridge"),
        element("link", rel="icon", type="image/svg+xml", href=f"{base}/static/icon.svg"),
        element("link", rel="stylesheet", href=f"{base}/static/inspector.css"),
        element("script", "", src=f"{base}/static/inspector.js", defer=True),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        _header(base, current, is_live=feed is not None),
        element("main", *content, id="content", tabindex=-1),
        data_feed=feed,
    )
    return Markup("<!doctype html>" + element("html", head, body, lang="en"))


def _header(base: str, current: str, *, is_live: bool) -> Markup:
    pages = (("Invocations", f"{base}/"), ("Send", f"{base}/send"))
    links = (element("a", name, href=url, aria_current="page" if name == current else None) for name, url in pages)
    return element(
        "header",
        element("a", element("strong", "bridge"), element("span", " inspector"), href=f"{base}/", class_="brand"),
        element("nav", *links, aria_label="Inspector"),
        _connection() if is_live else None,
        class_="top",
    )


def _connection() -> Markup:
    """Return whether the page is up to date. The script says so, and shows the button."""
    return element(
        "div",
        element("span", "Not live without JavaScript", id="connection", role="status"),
        element("button", "Pause", type="button", id="pause", hidden=True),
        class_="connection",
    )


def message_page(title: str, text: str, *, base: str) -> Markup:
    """Return a page that says one thing."""
    back = element("p", element("a", "Back to the invocations", href=f"{base}/"))
    return page(title, element("h1", title), element("p", text, role="alert"), back, base=base)


def shortened(text: str, length: int) -> str:
    """Return the text, with an ellipsis in place of what is past the length."""
    return text if len(text) <= length else text[:length] + "…"


def invocation_url(base: str, invocation: Invocation) -> str:
    return f"{base}/invocations/{invocation.id}"


def button(label: str, action: str, *, title: str = "", is_disabled: bool = False, kind: str = "") -> Markup:
    """Return a form with one button that posts to `action`."""
    pressed = element("button", label, title=title or None, disabled=is_disabled, class_=kind or None)
    return element("form", pressed, method="post", action=action, class_="inline")


def select(name: str, label: str, options: list[tuple[str, str]], chosen: str = "") -> Markup:
    """Return a choice. `options`: their values and labels."""
    choices = (element("option", text, value=value, selected=value == chosen) for value, text in options)
    return element("label", element("span", label), element("select", *choices, name=name), class_="field")


def section(title: str, *content: Child, id: str, links: Child = None) -> Markup:
    """Return a part of a page that can be folded."""
    summary = element("summary", element("h2", title))
    above = element("p", links, class_="links") if links else None
    return element("details", summary, above, *content, id=id, open=True)


def details(summary: str, *content: Child, id: str | None = None) -> Markup:
    return element("details", element("summary", summary), *content, id=id, class_="small")


def status_badge(invocation: Invocation) -> Markup:
    text, kind = status_of(invocation)
    return fragment(
        element("span", text, class_=f"badge {kind}"),
        element("span", " streamed", class_="tag") if invocation.is_streamed else None,
    )


def start_badge(invocation: Invocation) -> Markup:
    """Say how the environment came to the invocation: cold, warm or restored."""
    return element("span", invocation.started or "-", class_=f"start {invocation.started or ''}")


def duration(invocation: Invocation) -> str:
    """Return the time that the client waited, or has waited until now."""
    return seconds(invocation.duration)
