"""Where `Bridge` deliberately answers otherwise than the tests of another adapter expect, and why.

docs/peer-suites.md shows these tables; a test holds both equal.
"""

from dataclasses import dataclass

__all__ = ["SUITES", "Difference", "Suite"]


@dataclass(frozen=True)
class Difference:
    """`tests`: ids of tests, see shims/strict_differences.py. `runs`: false for tests that need what is not here."""

    tests: tuple[str, ...]
    reason: str
    runs: bool = True


@dataclass(frozen=True)
class Suite:
    """The tests in the source distribution of `project`, which import `module`. `passed` of `tests` pass."""

    project: str
    version: str
    module: str
    passed: int
    tests: int
    differences: tuple[Difference, ...]


ALB = "tests/handlers/test_alb.py::"
REST = "tests/handlers/test_api_gateway.py::"
HTTP_API = "tests/handlers/test_http_gateway.py::"
EDGE = "tests/handlers/test_lambda_at_edge.py::"
V1 = "tests/test_apig_wsgi.py::TestV1Events::"
V2 = "tests/test_apig_wsgi.py::TestV2Events::"

MANGUM = (
    Difference(
        (
            f"{REST}test_aws_api_gateway_real_lambda_get",
            f"{REST}test_aws_api_gateway_real_lambda_post",
            f"{HTTP_API}test_aws_http_gateway_real_lambda_get",
            f"{HTTP_API}test_aws_http_gateway_real_lambda_post",
        ),
        "They start LocalStack in Docker, and deploy Mangum itself to it.",
        runs=False,
    ),
    Difference(
        (f"{ALB}test_aws_alb_scope_real[GET-/lambda-query_parameters1-",),
        "The query of a load balancer stays as the client spelt it. Mangum decodes it and encodes it anew.",
    ),
    Difference(
        (f"{ALB}test_aws_alb_set_cookies[False]",),
        "Two Set-Cookie headers in an object of single values need two spellings: the second is set-cookiE here, and "
        "Set-cookie there.",
    ),
    Difference(
        (
            f"{ALB}test_aws_alb_response_extra_mime_types",
            f"{REST}test_aws_api_gateway_response_extra_mime_types",
            f"{HTTP_API}test_aws_http_gateway_response_v1_extra_mime_types",
            f"{HTTP_API}test_aws_http_gateway_response_v2_extra_mime_types",
            f"{EDGE}test_aws_lambda_at_edge_response_extra_mime_types",
        ),
        "YAML is text without a setting. Their second half, which adds it to the text types, passes.",
    ),
    Difference(
        (
            f"{REST}test_aws_api_gateway_scope_basic",
            f"{HTTP_API}test_aws_http_gateway_scope_basic_v1",
            f"{HTTP_API}test_aws_http_gateway_scope_basic_v2",
            f"{EDGE}test_aws_cf_lambda_at_edge_scope_basic",
        ),
        "Without X-Forwarded-Port the port of https is 443, not 80. Without Host the server is the API's own domain "
        'name, not "mangum". "IP" is not an address: the client is unknown.',
    ),
    Difference(
        (f"{HTTP_API}test_aws_http_gateway_response_v1[GET-None-",),
        "A body without a content type is text if it is UTF-8. The client gets the same bytes.",
    ),
    Difference(
        (f"{HTTP_API}test_aws_http_gateway_response_v2[GET-None-",),
        "No content type is invented: Mangum adds application/json to each response that lacks one.",
    ),
    Difference(
        (f"{EDGE}test_aws_api_gateway_scope_real[GET--multi_value_query_parameters3-",),
        "An empty path is /, as for the other services.",
    ),
    Difference(
        ("tests/test_adapter.py::test_event_loop_created_when_missing",),
        "A handler has an event loop of its own, and sets none for its thread.",
    ),
    Difference(
        ("tests/test_http.py::test_http_exception_mid_response", "tests/test_http.py::test_http_cycle_state"),
        "The answer to a failure is the same, and has a Content-Length.",
    ),
    Difference(
        ("tests/test_http.py::test_set_cookies_v2",),
        'Repeated headers of a response are joined with ", ", not with ",".',
    ),
    Difference(
        ("tests/test_http.py::test_http_logging",),
        "A line for each request is off by default, and has another form.",
    ),
    Difference(
        ("tests/test_lifespan.py::test_lifespan_error",),
        "A startup that raises after it has received lifespan.startup fails the init, with its traceback. Mangum logs "
        "it and serves requests.",
    ),
    Difference(
        ("tests/test_lifespan.py::test_lifespan_unsupported[mock_aws_api_gateway_event1-on]",),
        'lifespan="on" insists on lifespan. Mangum serves an application without one all the same.',
    ),
)

APIG_WSGI = (
    Difference(
        (f"{V1}test_get_single_header",),
        "API Gateway accepts multiValueHeaders for each event, also for one without that field.",
    ),
    Difference(
        (
            f"{V1}test_get_binary_support_no_content_type",
            f"{V2}test_get_missing_content_type",
            f"{V2}test_empty_and_uncloseable_content",
        ),
        "A body without a content type is text if it is UTF-8. The client gets the same bytes.",
    ),
    Difference(
        (f"{V1}test_plain_header_multi", f"{V2}test_two_cookies"),
        'Repeated request headers are joined with ", ", and cookies with "; " (RFC 6265, 5.4), not with "," and ";".',
    ),
    Difference(
        (f"{V1}test_special_headers", f"{V1}test_special_content_type", f"{V2}test_special_headers"),
        "The environ has CONTENT_TYPE alone. HTTP_CONTENT_TYPE is not a name of PEP 3333, and no server sets it.",
    ),
    Difference(
        (f"{V1}test_special_x_forwarded_for",),
        "REMOTE_ADDR is the address in requestContext, which this event lacks. Any client can send X-Forwarded-For.",
    ),
    Difference(
        (f"{V1}test_x_forwarded_port",),
        "Without a Host header and without requestContext the server is unknown, and so is its port.",
    ),
    Difference(
        (f"{V1}test_exc_info",),
        "start_response(status, headers, exc_info) before the first byte replaces the response (PEP 3333), and raises "
        "nothing.",
    ),
    Difference(
        (f"{V1}test_elb_health_check",),
        "SERVER_NAME and SERVER_PORT are never empty (PEP 3333).",
    ),
    Difference(
        (f"{V2}test_mixed_cookies",),
        "The field cookies has all cookies. A Cookie header beside it, as Function URLs may send, repeats them.",
    ),
    Difference(
        (f"{V2}test_path_unquoting",),
        "An HTTP API has already decoded rawPath. To decode it again would turn %252F into a slash.",
    ),
    Difference(
        ("tests/test_apig_wsgi.py::TestUnknownVersionEvents::test_errors",),
        "An event that is not an HTTP request is a POST to /events (events.md).",
    ),
)

SUITES = (
    Suite("mangum", "0.22.0", "mangum", 79, 110, MANGUM),
    Suite("apig-wsgi", "2.20.0", "apig_wsgi", 83, 99, APIG_WSGI),
)
