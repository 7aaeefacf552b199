"""Addresses: the ways to write one, and what is none."""

from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.proxy.server import Address, parse_url

ACCEPTED = "'http://host:port' or 'unix:/path/to/socket', without a path behind the port"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("http://127.0.0.1:8080/", Address("127.0.0.1", 8080)),
        ("http://localhost", Address("localhost", 80)),
        ("HTTP://LocalHost:3000", Address("localhost", 3000)),
        ("http://[::1]:8080", Address("::1", 8080)),
        ("http://[::1]", Address("::1", 80)),
        ("http://web-1.internal:65535", Address("web-1.internal", 65535)),
        ("unix:/tmp/shop.sock", Address("localhost", 0, "/tmp/shop.sock")),
        ("unix:///tmp/shop.sock", Address("localhost", 0, "/tmp/shop.sock")),
        ("unix:/tmp/a b#c?d%20e", Address("localhost", 0, "/tmp/a b#c?d%20e")),
    ],
)
def test_a_url_is_a_host_and_a_port_or_the_path_of_a_socket(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "127.0.0.1",
        "//127.0.0.1:8080",
        "https://127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http+unix://%2Ftmp%2Fa",
        "http:",
        "http://",
        "http:///path",
        "http://:8080",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:80 80",
        "http://127.0.0.1:\u0668\u0660",
        "http://[::1:8080",
        "http://::1:8080",
        "http://127.0.0.1:8080/app",
        "http://127.0.0.1:8080?x=1",
        "http://me@127.0.0.1:8080",
        "http://me:secret@127.0.0.1:8080",
        "unix:",
        "unix:app.sock",
        "unix:./app.sock",
        b"http://127.0.0.1:8080",
        8080,
        None,
        ("127.0.0.1", 8080),
    ],
)
def test_a_url_that_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert str(caught.value) == f"The setting url is {url!r}; expected {ACCEPTED}."


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080#top", "http://127.0.0.1:80\n80", " http://127.0.0.1:8080"])
def test_a_url_is_not_repaired_in_silence(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert str(caught.value) == f"The setting url is {url!r}; expected {ACCEPTED}."


@pytest.mark.parametrize(
    ("address", "authority", "text"),
    [
        (Address("127.0.0.1", 8080), "127.0.0.1:8080", "http://127.0.0.1:8080"),
        (Address("localhost", 80), "localhost:80", "http://localhost:80"),
        (Address("::1", 8080), "[::1]:8080", "http://[::1]:8080"),
        (Address("localhost", 0, "/tmp/shop.sock"), "localhost", "unix:/tmp/shop.sock"),
        (Address("ignored", 80, "/tmp/shop.sock"), "localhost", "unix:/tmp/shop.sock"),
    ],
)
def test_an_address_knows_its_host_header_and_its_name_in_the_log(address: Address, authority: str, text: str) -> None:
    assert (address.authority, str(address)) == (authority, text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:3000", "unix:/tmp/shop.sock"])
def test_the_name_in_the_log_is_a_url_that_leads_to_the_same_address(url: str) -> None:
    assert str(parse_url(url)) == url
