"""Requests from other origins, as each service answers them."""

from typing import Any

from bridge.local.cors import applied, preflight
from bridge.local.settings import Cors
from bridge.local.template_cors import cors_of, rest_cors_of
from bridge.testing.messages import ClientRequest, ClientResponse
from bridge.testing.services import ServiceName
from tests.cases import every_case

PAGE = "http://localhost:5173"
CORS = Cors(allow_origins=(PAGE,), allow_methods=("GET", "PUT"), allow_headers=("x-a",), max_age=60)


def request(method: str = "OPTIONS", origin: str = PAGE, *, asks: bool = True) -> ClientRequest:
    headers = [("Origin", origin)] if origin else []
    more = [("Access-Control-Request-Method", "PUT")] if asks else []
    return ClientRequest(method=method, target="/", headers=(*headers, *more))


ALLOWED = {
    "access-control-allow-origin": PAGE,
    "access-control-allow-methods": "GET,PUT",
    "access-control-allow-headers": "x-a",
    "access-control-max-age": "60",
    "vary": "origin",
}


@every_case(
    ("source", "sent", "status", "headers"),
    [
        ("http-api", request(), 204, ALLOWED),
        ("http-api-v1", request(), 204, ALLOWED),
        ("http-api", request(origin="http://elsewhere"), 204, {}),
        ("function-url", request(), 200, {**ALLOWED, "content-length": "0"}),
        ("rest-api", request(), 200, {**ALLOWED, "content-length": "0", "content-type": "application/json"}),
    ],
)
def test_a_preflight_never_reaches_the_function(
    source: ServiceName, sent: ClientRequest, status: int, headers: dict[str, str]
) -> None:
    response = preflight(source, CORS, sent)
    assert response is not None
    assert (response.status, dict(response.headers)) == (status, headers)


@every_case(
    ("source", "sent"),
    [
        ("http-api", request("GET")),
        ("http-api", request(asks=False)),
        ("function-url", request(origin="")),
        ("rest-api", request("GET")),
    ],
)
def test_what_is_not_a_preflight(source: ServiceName, sent: ClientRequest) -> None:
    assert preflight(source, CORS, sent) is None


ALL = Cors(allow_origins=("*",), expose_headers=("x-b",))
SECRET = Cors(allow_origins=("*",), allow_credentials=True)
OWN = ("Access-Control-Allow-Origin", "https://own")


@every_case(
    ("source", "cors", "origin", "expected"),
    [
        ("http-api", ALL, PAGE, [("access-control-allow-origin", "*"), ("access-control-expose-headers", "x-b")]),
        ("http-api", CORS, "http://elsewhere", []),
        ("http-api", CORS, "", []),
        ("function-url", CORS, PAGE, [OWN, ("access-control-allow-origin", PAGE), ("vary", "origin")]),
        ("function-url", CORS, "http://elsewhere", [OWN]),
        (
            "http-api",
            SECRET,
            PAGE,
            [
                ("access-control-allow-origin", PAGE),
                ("access-control-allow-credentials", "true"),
                ("vary", "origin"),
            ],
        ),
        ("rest-api", CORS, PAGE, [OWN]),
        ("http-api", Cors(allow_origins=("https://*",)), PAGE, []),
        (
            "http-api",
            Cors(allow_origins=("http://*",)),
            PAGE,
            [("access-control-allow-origin", PAGE), ("vary", "origin")],
        ),
    ],
)
def test_the_headers_of_other_responses(
    source: ServiceName, cors: Cors, origin: str, expected: list[tuple[str, str]]
) -> None:
    response = applied(source, cors, request("GET", origin), ClientResponse(200, (("a", "b"), OWN)))
    assert list(response.headers) == [("a", "b"), *expected]


@every_case(
    ("value", "expected"),
    [
        (None, None),
        (False, None),
        (True, Cors(allow_origins=("*",))),
        ("https://a", Cors(allow_origins=("https://a",))),
        (
            {"AllowOrigins": ["*"], "AllowMethods": ["GET"], "AllowHeaders": ["x"], "ExposeHeaders": ["y"], "MaxAge": 5}
            | {"AllowCredentials": True},
            Cors(
                allow_origins=("*",),
                allow_methods=("GET",),
                allow_headers=("x",),
                expose_headers=("y",),
                max_age=5,
                allow_credentials=True,
            ),
        ),
    ],
)
def test_the_settings_of_an_http_api_and_a_function_url(value: Any, expected: Cors | None) -> None:
    assert cors_of(value) == expected


@every_case(
    ("value", "expected"),
    [
        (None, None),
        (
            {"AllowOrigin": "'*'", "AllowMethods": "'GET,POST'", "AllowHeaders": "'x'", "MaxAge": "'600'"},
            Cors(allow_origins=("*",), allow_methods=("GET,POST",), allow_headers=("x",), max_age=600),
        ),
    ],
)
def test_the_settings_of_a_rest_api(value: Any, expected: Cors | None) -> None:
    assert rest_cors_of(value) == expected


def test_one_origin_of_a_rest_api_allows_all_methods() -> None:
    found = rest_cors_of("'https://a'")
    assert found is not None
    assert (found.allow_origins, found.allow_methods[:2]) == (("https://a",), ("OPTIONS", "GET"))
