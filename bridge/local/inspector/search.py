"""Which invocations a list shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from bridge.local.invocation import Invocation

__all__ = ["WINDOW", "Search", "found", "has_failed"]

# How many rows a page has. More are slow to lay out.
WINDOW = 100


@dataclass(frozen=True, kw_only=True)
class Search:
    """`text`: what the path or another field has, in any case, or the event, the result or the log, as it is written.

    `status`: "2xx" to "5xx", "failed" or "running". `before`: the id of an invocation; only older ones count. "" means
    any.
    """

    text: str = ""
    source: str = ""
    status: str = ""
    start: str = ""
    before: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Search:
        """Return the search of a page's query string."""
        return cls(**{name: query[name].strip() for name in cls.__dataclass_fields__ if name in query})

    def query(self, **changes: str) -> str:
        """Return the query string of this search, with its question mark, or ""."""
        fields = {name: value for name, value in (vars(self) | changes).items() if value}
        return f"?{urlencode(fields, errors='replace')}" if fields else ""

    def matches(self, invocation: Invocation) -> bool:
        return (
            self.source in ("", invocation.source)
            and self.start in ("", invocation.started)
            and (not self.status or _has_status(invocation, self.status))
            and (not self.text or _has_text(invocation, self.text))
        )


def found(invocations: Iterable[Invocation], search: Search, limit: int = WINDOW) -> tuple[list[Invocation], bool]:
    """Return the first invocations that match, and whether there are more."""
    matching = (each for each in _older(invocations, search.before) if search.matches(each))
    rows = list(islice(matching, limit + 1))
    return rows[:limit], len(rows) > limit


def _older(invocations: Iterable[Invocation], before: str) -> Iterator[Invocation]:
    every = iter(invocations)
    if before:
        for invocation in every:
            if invocation.id == before:
                break
    return every


def has_failed(invocation: Invocation) -> bool:
    """Return whether the function failed, or its client got a 5xx."""
    response = invocation.response
    return invocation.failure is not None or (response is not None and response.status >= 500)


def _has_status(invocation: Invocation, status: str) -> bool:
    if status == "failed":
        return has_failed(invocation)
    if status == "running":
        return invocation.status not in ("responded", "done")
    return invocation.response is not None and f"{invocation.response.status // 100}xx" == status


def _has_text(invocation: Invocation, text: str) -> bool:
    failure = invocation.failure
    fields = (invocation.path, invocation.method, invocation.id, failure.error_type if failure else "")
    if any(text.lower() in field.lower() for field in fields):
        return True
    content = text.encode("utf-8", "replace")
    if content in invocation.event or content in invocation.result:
        return True
    return any(text in line.text for line in invocation.logs)
