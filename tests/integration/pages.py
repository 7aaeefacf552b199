"""A parser for tests of HTML pages: unclosed elements, duplicate ids, and the URLs that the page refers to."""

import re
from html.parser import HTMLParser

__all__ = ["Page"]

# Elements without an end tag. https://html.spec.whatwg.org/multipage/syntax.html#void-elements
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

_WITH_URLS = {"action", "cite", "data", "formaction", "href", "manifest", "ping", "poster", "src", "srcset"}


class Page(HTMLParser):
    """A parsed page. `faults`: end tags that are missing or too many, and ids and attributes that are there twice.

    `urls`: what its attributes and its style refer to. `ids`: of its elements. `labelled`: those that a label is for.
    `styles`, `scripts`: their text.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.urls: list[str] = []
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]
        self.faults += [f"the id {each} is there twice" for each in set(self.ids) if self.ids.count(each) > 1]
        self.urls += re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", "".join(self.styles))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.urls += [value or "" for name, value in attrs if name in _WITH_URLS]
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.labelled += [values["for"] or ""] if "for" in values else []
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.styles.append(data)
        elif self._open[-1:] == ["script"]:
            self.scripts.append(data)
