"""The routes of an API."""

import pytest

from bridge.local.routes import matches
from bridge.local.settings import Route


@pytest.mark.parametrize(
    ("route", "request_line", "expected"),
    [
        ("GET /users", "GET /users", True),
        ("GET /users", "GET /users/", True),
        ("GET /users", "POST /users", False),
        ("GET /users", "GET /users/7", False),
        ("GET /a.b", "GET /axb", False),
        ("ANY /users/{id}", "PUT /users/7", True),
        ("ANY /users/{id}", "PUT /users/7/x", False),
        ("GET /files/{rest+}", "GET /files/a/b", True),
        ("GET /files/{rest+}", "GET /files", False),
        ("GET /{tenant}/files/{rest+}", "GET /x/files/a%2Fb/c", True),
        ("ANY $default", "GET /anything", True),
        ("ANY /{proxy+}", "GET /", False),
        ("ANY /", "GET /", True),
    ],
)
def test_a_route_has_the_requests_that_it_describes(route: str, request_line: str, expected: bool) -> None:
    method, path = request_line.split()
    assert matches([Route(*route.split())], method, path) is expected
