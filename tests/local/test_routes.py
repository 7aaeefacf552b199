"""The routes of an API."""

import pytest

from bridge.local.routes import find_route
from bridge.local.settings import Route
from bridge.testing.setup import MatchedRoute
from tests.cases import every_case


def routes(*texts: str) -> list[Route]:
    return [Route(*text.split()) for text in texts]


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
    assert (find_route(routes(route), *request_line.split()) is not None) is expected


# The example of AWS's page about routes of HTTP APIs, and more.
PETS = routes("ANY $default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1")


@every_case(
    ("request_line", "method", "path", "parameters"),
    [
        ("GET /pets/dog/1", "GET", "/pets/dog/1", {}),
        ("GET /pets/dog/2", "GET", "/pets/dog/{id}", {"id": "2"}),
        ("GET /pets/cat/1", "GET", "/pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST /pets/dog/1", "ANY", "/{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET /", "ANY", "$default", {}),
    ],
)
def test_the_most_specific_route_of_an_http_api_has_the_request(
    request_line: str, method: str, path: str, parameters: dict[str, str]
) -> None:
    for several in (PETS, PETS[::-1]):
        assert find_route(several, *request_line.split()) == MatchedRoute(method, path, parameters)


@every_case(
    ("several", "request_line", "of_http", "of_rest"),
    [
        (("ANY /a/b", "GET /a/{x}", "GET /a/b"), "GET /a/b", "GET /a/b", "GET /a/b"),
        (("ANY /a/b", "GET /a/{x}"), "GET /a/b", "ANY /a/b", "ANY /a/b"),
        (("GET /a/b", "ANY /a/{x}"), "PUT /a/b", "ANY /a/{x}", None),
        (("GET /a/{rest+}", "GET /{x}/{y}"), "GET /a/b", "GET /{x}/{y}", "GET /a/{rest+}"),
        (("GET /{x}/b", "GET /a/{y}"), "GET /a/b", "GET /a/{y}", "GET /a/{y}"),
    ],
)
def test_a_resource_of_a_rest_api_refuses_other_methods(
    several: tuple[str, ...], request_line: str, of_http: str | None, of_rest: str | None
) -> None:
    for is_rest, expected in ((False, of_http), (True, of_rest)):
        found = find_route(routes(*several), *request_line.split(), is_rest=is_rest)
        assert (found.key if found else None) == expected
