"""Addresses: the ways to write one."""

from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.proxy.address import Address, parse_url


def test_a_url_is_a_host_and_a_port_or_the_path_of_a_socket() -> None:
    for url, address in (
        ("http://127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("http://127.0.0.1:8080/", Address("127.0.0.1", 8080)),
        ("http://localhost", Address("localhost", 80)),
        ("HTTP://LocalHost:3000", Address("localhost", 3000)),
        ("http://[::1]:8080", Address("::1", 8080)),
        ("http://[::1]", Address("::1", 80)),
        ("http://web-1.internal:65535", Address("web-1.internal", 65535)),
        ("unix:/tmp/shop.sock", Address("localhost", 80, "/tmp/shop.sock")),
        ("unix:///tmp/shop.sock", Address("localhost", 80, "/tmp/shop.sock")),
        ("unix:/tmp/a b#c?d%20e", Address("localhost", 80, "/tmp/a b#c?d%20e")),
    ):
        assert parse_url(url) == address


BAD = """
    localhost:8080 127.0.0.1 //127.0.0.1:8080 https://127.0.0.1:8080 ftp://127.0.0.1 http+unix://%2Ftmp%2Fa
    http: http:// http:///path http://:8080 http://127.0.0.1:0 http://127.0.0.1:65536 http://127.0.0.1:-1
    http://127.0.0.1:port http://127.0.0.1:\u0668\u0660 http://[::1:8080 http://::1:8080 http://127.0.0.1:8080/app
    http://127.0.0.1:8080?x=1 http://127.0.0.1:8080#top http://me@127.0.0.1:8080 http://me:secret@127.0.0.1:8080
    unix: unix:app.sock unix:./app.sock
"""


def test_anything_else_is_refused() -> None:
    urls: list[Any] = [*BAD.split(), "", "http://127.0.0.1:80 80", "http://127.0.0.1:80\n80", " http://127.0.0.1:8080"]
    urls += [b"http://127.0.0.1:8080", 8080, None, ("127.0.0.1", 8080)]
    for url in urls:
        with pytest.raises(ConfigurationError) as caught:
            parse_url(url)
        assert f"url is {url!r}" in str(caught.value)
        assert "'http://host:port'" in str(caught.value)


def test_an_address_has_a_host_header_and_a_name_for_the_log() -> None:
    for address, authority, text in (
        (Address("127.0.0.1", 8080), "127.0.0.1:8080", "http://127.0.0.1:8080"),
        (Address("::1", 8080), "[::1]:8080", "http://[::1]:8080"),
        (Address("ignored", 80, "/tmp/shop.sock"), "localhost", "unix:/tmp/shop.sock"),
    ):
        assert (address.authority, str(address)) == (authority, text)
        assert str(parse_url(text)) == text
