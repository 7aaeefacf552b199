"""Proxy with `python -m http.server`: HTTP/1.0, a connection for each request, and no POST at all."""

import os
from collections.abc import Iterator
from email.utils import formatdate

import anyio
import pytest

from bridge import Proxy
from tests.integration.exchange import ClientResponse
from tests.integration.origin_site import LARGE
from tests.integration.servers import WebServer, ask, event_for, result_of, running

WRITTEN = 1_700_000_000
FILES = {
    "large.bin": LARGE,
    "empty.txt": b"",
    "caf\u00e9.html": "<p>caf\u00e9, \u6f22\u5b57</p>\n".encode(),
} | {f"small-{number}.txt": f"{number}".encode() for number in range(20)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, str]]:
    folder = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (WRITTEN, WRITTEN))
    with running(WebServer("http.server"), folder) as found:
        yield found


@pytest.fixture
def handler(site: tuple[Proxy, str]) -> Proxy:
    return site[0]


def test_file_arrives_unchanged(handler: Proxy) -> None:
    for target, name, content_type in (
        ("/large.bin", "large.bin", "application/octet-stream"),
        ("/empty.txt", "empty.txt", "text/plain"),
        ("/caf%C3%A9.html?lang=fr", "caf\u00e9.html", "text/html"),
    ):
        content = FILES[name]
        headers = (
            ("content-type", content_type),
            ("content-length", str(len(content))),
            ("last-modified", formatdate(WRITTEN, usegmt=True)),
        )

        got, head = ask(handler, "GET", target), ask(handler, "HEAD", target)

        assert (got.status, got.headers, got.body == content) == (200, headers, True)
        assert head == ClientResponse(200, headers, b"")


def test_file_that_is_not_modified_is_not_sent_again(handler: Proxy) -> None:
    since = ("If-Modified-Since", formatdate(WRITTEN, usegmt=True))

    assert ask(handler, "GET", "/large.bin", since) == ClientResponse(304, (), b"")


def test_missing_file_is_a_404(handler: Proxy) -> None:
    response = ask(handler, "GET", "/missing.txt")

    assert (response.status, b"File not found" in response.body) == (404, True)


def test_answer_to_a_request_whose_body_is_not_read_is_not_lost(handler: Proxy) -> None:
    for body in (b"", b"{}", LARGE):
        response = ask(handler, "POST", "/large.bin", body=body)

        assert (response.status, b"Unsupported method" in response.body) == (501, True)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_concurrent_requests_stay_apart(site: tuple[Proxy, str]) -> None:
    answers: dict[int, ClientResponse] = {}

    async def get(handler: Proxy, number: int) -> None:
        answers[number] = result_of(await handler.handle(event_for("GET", f"/small-{number}.txt"), None), "GET")

    async with Proxy(url=site[1]) as handler, anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(get, handler, number)

    assert {number: (answer.status, answer.body) for number, answer in answers.items()} == {
        number: (200, f"{number}".encode()) for number in range(20)
    }
