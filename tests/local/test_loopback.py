"""Who may use what runs code."""

from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from bridge.local.loopback import LoopbackOnly, refused

HERE = ("127.0.0.1", 50000)

ALLOWED: dict[str, dict[str, str]] = {
    "curl": {"host": "127.0.0.1:3000"},
    "a name": {"host": "localhost:3000"},
    "a name below it": {"host": "app.localhost"},
    "IPv6": {"host": "[::1]:3000"},
    "another loopback address": {"host": "127.8.8.8"},
    "its own page": {"host": "localhost:3000", "origin": "http://localhost:3000", "sec-fetch-site": "same-origin"},
    "a link from the web": {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
}

REFUSED: dict[str, dict[str, str]] = {
    "no Host": {},
    "DNS rebinding": {"host": "evil.example:3000"},
    "a name that begins like one": {"host": "localhost.evil.example"},
    "an address that begins like one": {"host": "127.0.0.1.evil.example"},
    "a name in the user's place": {"host": "localhost@evil.example"},
    "a name in the query's place": {"host": "127.0.0.1?.evil.example"},
    "a name in the fragment's place": {"host": "127.0.0.1#.evil.example"},
    "any address": {"host": "0.0.0.0:3000"},
    "its own address in a network": {"host": "192.168.1.5:3000"},
    "a form of another site": {"host": "localhost", "origin": "https://evil.example"},
    "a page without an origin": {"host": "localhost", "origin": "null"},
    "a form that navigates": {
        "host": "localhost",
        "origin": "https://evil.example",
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
    },
    "an image in another site": {"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "an origin that begins like one": {"host": "localhost", "origin": "http://localhost.evil.example"},
    "an origin that is not one": {"host": "localhost", "origin": "http://["},
}


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in ALLOWED.items()])
def test_programs_and_pages_of_this_machine_are_let_in(headers: dict[str, str]) -> None:
    assert refused(Headers(headers), HERE) is None


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in REFUSED.items()])
def test_pages_of_other_sites_are_not(headers: dict[str, str]) -> None:
    assert refused(Headers(headers), HERE) is not None


def test_a_client_over_ipv4_is_one_too_where_the_socket_has_both_protocols() -> None:
    assert refused(Headers({"host": "127.0.0.1:3000"}), ("::ffff:127.0.0.1", 50000)) is None


@pytest.mark.parametrize("client", [None, ("192.168.1.9", 50000), ("::ffff:192.168.1.9", 50000), ("testclient", 1)])
def test_other_machines_are_not(client: Any) -> None:
    assert refused(Headers({"host": "localhost"}), client) is not None


def test_two_hosts_are_none() -> None:
    headers = Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])
    assert refused(headers, HERE) is not None


async def test_every_answer_keeps_other_sites_away(anyio_backend: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 307, "headers": [(b"x-content-type-options", b"mine")]})
        await send({"type": "http.response.body"})

    for host, status, own in (("localhost", 307, "mine"), ("evil.example", 403, "nosniff")):
        transport = httpx.ASGITransport(LoopbackOnly(app))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            answer = await client.get("/")
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (status, own)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
