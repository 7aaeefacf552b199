"""The page that shows an invocation as a test."""

from __future__ import annotations

from bridge.local.inspector.documents import text_document
from bridge.local.inspector.elements import Markup, element
from bridge.local.inspector.page import invocation_url, page
from bridge.local.inspector.saved_test import SavedTest
from bridge.local.invocation import Invocation

__all__ = ["saved_page"]

# By whether the test sends a request.
_USE = {
    True: "The test sends the request. The event that the function got is for `python -m bridge invoke`.",
    False: "Put both files into the folder of your tests: the test reads the event.",
}


def saved_page(invocation: Invocation, saved: SavedTest, *, base: str) -> Markup:
    url = invocation_url(base, invocation)
    return page(
        "Save as a test",
        element("h1", "Save as a test"),
        element("p", f"{_USE[invocation.request is not None]} Keep of the assertions what must stay true."),
        _file(f"{saved.name}.py", saved.code, f"{url}/test.py", "code"),
        _file(f"{saved.name}.json", saved.event, f"{url}/event.json", "event"),
        element("p", element("a", "Back to the invocation", href=url)),
        base=base,
    )


def _file(name: str, text: str, url: str, id: str) -> Markup:
    return element(
        "section",
        element("h2", element("code", name)),
        element(
            "p",
            element("a", "Download", href=url, class_="button"),
            " ",
            element("button", "Copy", type="button", data_copy=url, hidden=True, aria_live="polite"),
            class_="buttons",
        ),
        element("div", text_document(text), id=id),
        class_="panel",
    )
