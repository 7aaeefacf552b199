"""Proxy with `python -m http.server`: HTTP/1.0, a connection for each request, and no POST at all."""

import os
from email.utils import formatdate
from pathlib import Path

from bridge.testing.messages import ClientResponse
from tests.integration.origin_site import LARGE, MOST
from tests.integration.servers import WebServer, ask, running

WRITTEN = 1_700_000_000
DATE = formatdate(WRITTEN, usegmt=True)


def test_files_and_errors_arrive_unchanged(tmp_path: Path) -> None:
    with running(WebServer("http.server"), tmp_path) as (handler, _):
        for target, name, content, content_type in (
            ("/large.bin", "large.bin", LARGE[:MOST], "application/octet-stream"),
            ("/empty.txt", "empty.txt", b"", "text/plain"),
            ("/caf%C3%A9.html?lang=fr", "caf\u00e9.html", "<p>caf\u00e9, \u6f22\u5b57</p>\n".encode(), "text/html"),
        ):
            (tmp_path / name).write_bytes(content)
            os.utime(tmp_path / name, (WRITTEN, WRITTEN))
            headers = (("content-type", content_type), ("content-length", str(len(content))), ("last-modified", DATE))
            found = ask(handler, "GET", target)
            assert (found.status, found.headers, found.body == content) == (200, headers, True)
            assert ask(handler, "HEAD", target) == ClientResponse(200, headers, b"")

        assert ask(handler, "GET", "/large.bin", ("If-Modified-Since", DATE)) == ClientResponse(304, (), b"")
        missing = ask(handler, "GET", "/missing.txt")
        assert (missing.status, b"File not found" in missing.body) == (404, True)
        for body in (b"", b"{}", LARGE[: 1 << 20]):  # the server answers without reading them
            refused = ask(handler, "POST", "/large.bin", body=body)
            assert (refused.status, b"Unsupported method" in refused.body) == (501, True)
