"""Where a framework's own tests expect otherwise than a client of an AWS service can, and why.

Starlette's and FastAPI's tests run with LambdaTransport in the place of TestClient's own transport. Each row is a loss
of the service, or a limit of Lambda: with TestClient alone these tests pass.
"""

from dataclasses import dataclass
from enum import Enum
from typing import get_args

from bridge.testing.services import ServiceName

__all__ = ["ALL", "CLIENT_SUITES", "ClientSuite", "Loss", "Why"]

ALL = get_args(ServiceName)
ALL_BUT_EDGE_VIEWER = tuple(name for name in ALL if name != "edge-viewer")


class Why(Enum):
    """The reason of a row."""

    WHOLE = "The service sends whole responses: their length is known, and no part comes before the last."
    TRAILERS = "No event source has trailers, so they are not offered to the application: to send them is an error."
    PUSH = "No event source has server push. TestClient ignores the message, a handler refuses it."
    HOST = "A Host that is not valid is not used: the server is the domain name of the event, or not known."
    HOST_PORT = (
        "A load balancer removes the port of Host, here one that is not valid. The others have no "
        "domain name in the event."
    )
    OWN_500 = "An application that fails without a response is answered with a text, and not with an empty body."
    CLIENT = "The event has the client's address, and no port. A client called testclient is not an address."
    PORT_0 = "The port 0 is not one that a client can connect to: the server's is that of the scheme."
    JOINED = "The event has one value for each header: repeats are joined, or the last one wins."
    LAST_PARAMETER = "The event has one value for each query parameter, the last."
    DEFAULT_TYPE = "The service adds a content type."
    SIZE = "The body, or the response, is larger than the service accepts."
    METHOD = "The service does not accept the method."
    DECODED_PATH = "HTTP APIs decode the path, and raw_path is one of the spellings that the client may have used."
    NO_LENGTH = "CloudFront accepts no Content-Length, and cannot compute one for a response without a body."
    STATUS = "CloudFront accepts a status from 200 to 599."
    SCHEME = "The event does not have the scheme, which is https."
    MIDDLE = "The application fails in the middle of a response, which is whole or an error here."
    COUNTS_DUMPS = "They count the calls of json.dumps, and event and result are JSON too."
    REMAPPED = "The service renames WWW-Authenticate."
    DISALLOWED = "CloudFront disallows the response header X-Accel-Buffering."
    ADDED_HEADERS = "The service adds headers, which a model that takes all headers sees."


@dataclass(frozen=True)
class Loss:
    """`tests`: see shims/strict_differences.py. `at`: the sources. `runs`: false for tests that would only time out."""

    why: Why
    at: tuple[str, ...]
    tests: tuple[str, ...]
    runs: bool = True


@dataclass(frozen=True)
class ClientSuite:
    """The tests of `project`. `ignored`: what fails or cannot run with TestClient alone, here.

    `default`: the sources of the integration session. `folders`: of the source distribution, which the tests need.
    """

    project: str
    version: str
    default: tuple[ServiceName, ...]
    ignored: tuple[str, ...]
    losses: tuple[Loss, ...]
    folders: tuple[str, ...] = ("tests",)


STARLETTE = (
    Loss(
        Why.WHOLE,
        ALL,
        (
            "middleware/test_gzip.py::test_gzip_ignored_for_responses_with_encoding_set",
            "middleware/test_gzip.py::test_gzip_ignored_on_server_sent_events",
            "middleware/test_gzip.py::test_gzip_streaming_response",
            "middleware/test_gzip.py::test_gzip_streaming_response_emits_output_per_chunk",
            "middleware/test_gzip.py::test_gzip_streaming_response_identity",
            "test_responses.py::test_streaming_response_unknown_size",
            "test_testclient.py::test_streaming_response_copies_mutable_chunks",
            "test_testclient.py::test_streaming_response_skips_empty_and_head_bodies",
        ),
    ),
    Loss(
        Why.WHOLE,
        ALL,
        (
            "test_testclient.py::test_closing_client_cancels_unclosed_response",
            "test_testclient.py::test_closing_unfinished_response_cancels_application",
            "test_testclient.py::test_streaming_response_applies_backpressure",
            "test_testclient.py::test_streaming_response_is_available_before_first_chunk",
        ),
        runs=False,
    ),
    Loss(
        Why.WHOLE,
        ("edge-viewer",),
        ("middleware/test_gzip.py::test_gzip_streaming_compression_in_thread",),
    ),
    Loss(
        Why.TRAILERS,
        ALL,
        (
            "middleware/test_gzip.py::test_gzip_excluded_content_type_trailers",
            "middleware/test_gzip.py::test_gzip_trailers",
            "test_testclient.py::test_capture_trailers",
            "test_testclient.py::test_closing_completed_trailers_waits_for_application",
            "test_testclient.py::test_incomplete_trailers",
            "test_testclient.py::test_invalid_trailer_sequence",
            "test_testclient.py::test_trailer_error_respects_raise_server_exceptions",
        ),
    ),
    Loss(
        Why.PUSH,
        ALL,
        ("test_requests.py::test_request_send_push_promise",),
    ),
    Loss(
        Why.HOST,
        ALL,
        ("middleware/test_https_redirect.py::test_https_redirect_middleware",),
    ),
    Loss(
        Why.HOST,
        (
            "lattice-v1",
            "lattice-v2",
            "edge-viewer",
            "edge-origin",
        ),
        ("middleware/test_https_redirect.py::test_https_redirect_middleware_without_server[asyncio-[:::]]",),
    ),
    Loss(
        Why.HOST_PORT,
        (
            "alb",
            "alb-multi",
            "lattice-v1",
            "lattice-v2",
            "edge-viewer",
            "edge-origin",
        ),
        ("middleware/test_https_redirect.py::test_https_redirect_middleware_without_server[asyncio-testserver:65536]",),
    ),
    Loss(
        Why.OWN_500,
        ALL,
        ("test_exceptions.py::test_force_500_response",),
    ),
    Loss(
        Why.CLIENT,
        ALL,
        (
            "test_testclient.py::test_client",
            "test_testclient.py::test_client_custom_client",
        ),
    ),
    Loss(
        Why.PORT_0,
        ALL,
        ("test_testclient.py::test_ipv6_base_url[asyncio-http://[::1]:0-server2-[::1]:0]",),
    ),
    Loss(
        Why.JOINED,
        (
            "function-url",
            "http-api",
            "alb",
            "lattice-v1",
        ),
        ("test_testclient.py::test_with_duplicate_headers",),
    ),
    Loss(
        Why.DEFAULT_TYPE,
        (
            "function-url",
            "http-api",
            "http-api-v1",
            "rest-api",
        ),
        ("test_responses.py::test_empty_response",),
    ),
    Loss(
        Why.SIZE,
        (
            "alb",
            "alb-multi",
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_formparsers.py::test_max_part_size_exceeds_limit",
            "test_formparsers.py::test_multipart_request_large_file_rollover_in_background_thread",
            "test_formparsers.py::test_urlencoded_field_exceeds_max_part_size_raise",
            "test_formparsers.py::test_urlencoded_field_name_exceeds_max_part_size_raise",
        ),
    ),
    Loss(
        Why.SIZE,
        ("edge-viewer",),
        (
            "test_formparsers.py::test_max_fields_is_customizable_high",
            "test_formparsers.py::test_too_many_fields_raise",
            "test_formparsers.py::test_too_many_files_and_fields_raise",
            "test_formparsers.py::test_too_many_files_raise",
            "test_formparsers.py::test_too_many_files_single_field_raise",
        ),
    ),
    Loss(
        Why.METHOD,
        (
            "rest-api",
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_endpoints.py::test_http_endpoint_does_not_dispatch_non_verb_method",
            "test_endpoints.py::test_http_endpoint_route_query_method",
            "test_routing.py::test_router_query_method",
        ),
    ),
    Loss(
        Why.DECODED_PATH,
        ("http-api",),
        ("test_requests.py::test_request_raw_path",),
    ),
    Loss(
        Why.NO_LENGTH,
        (
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_responses.py::test_file_response_head",
            "test_responses.py::test_file_response_ignores_range_for_non_success_status",
            "test_responses.py::test_file_response_range_head",
            "test_responses.py::test_file_response_range_multi_head",
            "test_staticfiles.py::test_staticfiles_head_with_middleware",
            "test_staticfiles.py::test_staticfiles_never_read_file_for_head_method",
        ),
    ),
    Loss(
        Why.STATUS,
        (
            "edge-viewer",
            "edge-origin",
        ),
        ("test_responses.py::test_response_phrase",),
    ),
    Loss(
        Why.SCHEME,
        (
            "lattice-v1",
            "lattice-v2",
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_authentication.py::test_authentication_redirect",
            "test_requests.py::test_request_url",
            "test_requests.py::test_request_url_starlette_context",
            "test_routing.py::test_mount_urls",
            "test_routing.py::test_protocol_switch",
            "test_routing.py::test_router",
            "test_staticfiles.py::test_staticfiles_html_normal",
            "test_staticfiles.py::test_staticfiles_html_without_404",
            "test_templates.py::test_template_with_middleware",
            "test_templates.py::test_templates",
            "test_templates.py::test_templates_with_directories",
            "test_templates.py::test_templates_with_environment",
            "test_testclient.py::test_ipv6_base_url[asyncio-http://[::1]-server0-[::1]]",
        ),
    ),
)


FASTAPI = (
    Loss(
        Why.JOINED,
        (
            "function-url",
            "http-api",
            "alb",
            "lattice-v1",
        ),
        (
            "test_header_cookie_alias_choices.py::test_header_choices_follow_declaration_order",
            "test_header_cookie_alias_choices.py::test_header_list_choices_preserve_items[items1-ITEM_VALUES-/header-model]",
            "test_header_cookie_alias_choices.py::test_header_list_choices_preserve_items[items1-ITEM_VALUES-/header]",
            "test_header_cookie_alias_choices.py::test_header_list_choices_preserve_items[items1-x-tag-/header-model]",
            "test_header_cookie_alias_choices.py::test_header_list_choices_preserve_items[items1-x-tag-/header]",
            "test_header_cookie_alias_choices.py::test_header_model_fields_can_share_an_unused_alias_choice",
            "test_header_cookie_alias_choices.py::test_repeated_scalar_header_uses_first_value",
            "test_header_cookie_optional_models.py::test_optional_header_model",
            "test_multiple_parameter_models.py::test_header_conversion_is_per_model_and_does_not_mutate_cached_fields",
            "test_query_cookie_header_model_extra_params.py::test_header_pass_extra_list",
            "test_request_params/test_field_options.py::test_fail_fast[False-2-Header]",
            "test_request_params/test_field_options.py::test_fail_fast[True-1-Header]",
            "test_request_params/test_header/test_list.py::test_required_list_alias_and_validation_alias_by_alias[/model-required-list-alias-and-validation-alias]",
            "test_request_params/test_header/test_list.py::test_required_list_alias_and_validation_alias_by_name[/model-required-list-alias-and-validation-alias]",
            "test_request_params/test_header/test_list.py::test_required_list_alias_and_validation_alias_by_validation_alias",
            "test_request_params/test_header/test_list.py::test_required_list_alias_by_alias",
            "test_request_params/test_header/test_list.py::test_required_list_alias_by_name[/model-required-list-alias]",
            "test_request_params/test_header/test_list.py::test_required_list_str",
            "test_request_params/test_header/test_list.py::test_required_list_validation_alias_by_name[/model-required-list-validation-alias]",
            "test_request_params/test_header/test_list.py::test_required_list_validation_alias_by_validation_alias",
            "test_request_params/test_header/test_nullable_and_defaults.py::test_header_model_list_error_preserves_item_index",
            "test_request_params/test_header/test_optional_list.py::test_optional_list_alias_and_validation_alias_by_validation_alias",
            "test_request_params/test_header/test_optional_list.py::test_optional_list_alias_by_alias",
            "test_request_params/test_header/test_optional_list.py::test_optional_list_str",
            "test_request_params/test_header/test_optional_list.py::test_optional_list_validation_alias_by_validation_alias",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[non-null-default-/model-Header]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[non-null-default-/parameter-Header]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[none-default-/model-Header]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[none-default-/parameter-Header]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_parameter_default_factory[Header]",
        ),
    ),
    Loss(
        Why.LAST_PARAMETER,
        (
            "alb",
            "lattice-v1",
        ),
        (
            "test_multi_query_errors.py::test_multi_query",
            "test_multi_query_errors.py::test_multi_query_incorrect",
            "test_multiple_parameter_models.py::test_model_validators_defaults_and_unknown_extras",
            "test_multiple_parameter_models.py::test_parameter_shapes_and_aliases_are_independent",
            "test_nested_annotated_in_sequence.py::test_endpoint_too_long",
            "test_nested_annotated_in_sequence.py::test_endpoint_valid",
            "test_query.py::test_query_frozenset_query_1_query_1_query_2",
            "test_query.py::test_query_list",
            "test_query.py::test_query_list_default",
            "test_query_alias_choices.py::test_choices_follow_declaration_order",
            "test_query_alias_choices.py::test_list_choices_preserve_items[items1-item-/individual]",
            "test_query_alias_choices.py::test_list_choices_preserve_items[items1-item-/model]",
            "test_query_alias_choices.py::test_list_choices_preserve_items[items1-tag-/individual]",
            "test_query_alias_choices.py::test_list_choices_preserve_items[items1-tag-/model]",
            "test_query_alias_choices.py::test_model_alias_path_is_unchanged",
            "test_query_alias_choices.py::test_model_fields_can_share_an_unused_alias_choice",
            "test_query_alias_choices.py::test_model_unused_alias_choice_keeps_extra_value_shape",
            "test_query_cookie_header_model_extra_params.py::test_query_pass_extra_list",
            "test_query_optional_models.py::test_optional_models_with_dependencies_and_individual_parameters",
            "test_query_optional_models.py::test_optional_query_model",
            "test_query_optional_models.py::test_unknown_parameters[fields1-allow]",
            "test_request_params/test_field_options.py::test_fail_fast[False-2-Query]",
            "test_request_params/test_field_options.py::test_fail_fast[True-1-Query]",
            "test_request_params/test_field_options.py::test_query_options",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[non-null-default-/model-Query]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[non-null-default-/parameter-Query]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[none-default-/model-Query]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_default_and_repeated_values[none-default-/parameter-Query]",
            "test_request_params/test_nullable_and_defaults.py::test_nullable_list_parameter_default_factory[Query]",
            "test_request_params/test_query/test_list.py::test_required_list_alias_and_validation_alias_by_alias[/model-required-list-alias-and-validation-alias]",
            "test_request_params/test_query/test_list.py::test_required_list_alias_and_validation_alias_by_name[/model-required-list-alias-and-validation-alias]",
            "test_request_params/test_query/test_list.py::test_required_list_alias_and_validation_alias_by_validation_alias",
            "test_request_params/test_query/test_list.py::test_required_list_alias_by_alias",
            "test_request_params/test_query/test_list.py::test_required_list_alias_by_name[/model-required-list-alias]",
            "test_request_params/test_query/test_list.py::test_required_list_str",
            "test_request_params/test_query/test_list.py::test_required_list_validation_alias_by_name[/model-required-list-validation-alias]",
            "test_request_params/test_query/test_list.py::test_required_list_validation_alias_by_validation_alias",
            "test_request_params/test_query/test_optional_list.py::test_optional_list_alias_and_validation_alias_by_validation_alias",
            "test_request_params/test_query/test_optional_list.py::test_optional_list_alias_by_alias",
            "test_request_params/test_query/test_optional_list.py::test_optional_list_str",
            "test_request_params/test_query/test_optional_list.py::test_optional_list_validation_alias_by_validation_alias",
        ),
    ),
    Loss(
        Why.SIZE,
        (
            "alb",
            "alb-multi",
            "edge-viewer",
            "edge-origin",
        ),
        ("test_upload_file_read_position.py::test_file_bytes_shared_by_dependency_and_endpoint[disk]",),
    ),
    Loss(
        Why.SIZE,
        ("edge-viewer",),
        (
            "test_custom_middleware_exception.py::test_custom_middleware_exception",
            "test_include_router_defaults_overrides.py::test_openapi",
        ),
    ),
    Loss(
        Why.METHOD,
        (
            "rest-api",
            "alb",
            "alb-multi",
            "edge-viewer",
            "edge-origin",
        ),
        ("test_extra_routes.py::test_trace",),
    ),
    Loss(
        Why.NO_LENGTH,
        (
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_frontend.py::test_head_fallback_request_works",
            "test_frontend.py::test_head_requests_work",
        ),
    ),
    Loss(
        Why.SCHEME,
        (
            "lattice-v1",
            "lattice-v2",
            "edge-viewer",
            "edge-origin",
        ),
        (
            "test_frontend.py::test_directory_index_and_redirect",
            "test_frontend.py::test_normal_route_slash_redirect_wins_before_frontend_redirect",
        ),
    ),
    Loss(
        Why.MIDDLE,
        ALL,
        ("test_dependency_after_yield_streaming.py::test_broken_session_stream_no_raise",),
    ),
    Loss(
        Why.COUNTS_DUMPS,
        ALL,
        (
            "test_dump_json_fast_path.py::test_default_response_class_skips_json_dumps",
            "test_dump_json_fast_path.py::test_explicit_response_class_uses_json_dumps",
        ),
    ),
    Loss(
        Why.REMAPPED,
        (
            "function-url",
            "rest-api",
        ),
        (
            "test_security_api_key_cookie.py::test_security_api_key_no_key",
            "test_security_api_key_cookie_description.py::test_security_api_key_no_key",
            "test_security_api_key_header.py::test_security_api_key_no_key",
            "test_security_api_key_header_description.py::test_security_api_key_no_key",
            "test_security_api_key_query.py::test_security_api_key_no_key",
            "test_security_api_key_query_description.py::test_security_api_key_no_key",
            "test_security_http_base.py::test_security_http_base_no_credentials",
            "test_security_http_base_description.py::test_security_http_base_no_credentials",
            "test_security_http_basic_optional.py::test_security_http_basic_invalid_credentials",
            "test_security_http_basic_optional.py::test_security_http_basic_non_basic_credentials",
            "test_security_http_basic_realm.py::test_security_http_basic_invalid_credentials",
            "test_security_http_basic_realm.py::test_security_http_basic_no_credentials",
            "test_security_http_basic_realm.py::test_security_http_basic_non_basic_credentials",
            "test_security_http_basic_realm_description.py::test_security_http_basic_invalid_credentials",
            "test_security_http_basic_realm_description.py::test_security_http_basic_no_credentials",
            "test_security_http_basic_realm_description.py::test_security_http_basic_non_basic_credentials",
            "test_security_http_bearer.py::test_security_http_bearer_incorrect_scheme_credentials",
            "test_security_http_bearer.py::test_security_http_bearer_no_credentials",
            "test_security_http_bearer_description.py::test_security_http_bearer_incorrect_scheme_credentials",
            "test_security_http_bearer_description.py::test_security_http_bearer_no_credentials",
            "test_security_http_digest.py::test_security_http_digest_incorrect_scheme_credentials",
            "test_security_http_digest.py::test_security_http_digest_no_credentials",
            "test_security_http_digest_description.py::test_security_http_digest_incorrect_scheme_credentials",
            "test_security_http_digest_description.py::test_security_http_digest_no_credentials",
            "test_security_oauth2.py::test_security_oauth2_password_bearer_no_header",
            "test_security_openid_connect.py::test_security_oauth2_password_bearer_no_header",
            "test_security_openid_connect_description.py::test_security_oauth2_password_bearer_no_header",
        ),
    ),
    Loss(
        Why.DISALLOWED,
        (
            "edge-viewer",
            "edge-origin",
        ),
        ("test_sse.py::test_async_generator_with_model",),
    ),
    Loss(
        Why.ADDED_HEADERS,
        ALL_BUT_EDGE_VIEWER,
        (
            "test_header_cookie_alias_choices.py::test_header_model_does_not_duplicate_lowercase_alias_as_extra",
            "test_header_cookie_alias_choices.py::test_header_model_unused_alias_choice_keeps_extra_value_shape",
            "test_header_cookie_optional_models.py::test_allowed_header_extras_require_model_fields",
            "test_header_cookie_optional_models.py::test_automatic_headers_follow_extra_configuration[allow]",
            "test_header_cookie_optional_models.py::test_automatic_headers_follow_extra_configuration[forbid]",
            "test_multiple_parameter_models.py::test_composed_parameter_models_allow_extras[/-Header-header]",
            "test_multiple_parameter_models.py::test_composed_parameter_models_allow_extras[/dependency-Header-header]",
            "test_multiple_parameter_models.py::test_composed_parameter_models_forbid_extras[/-Header-header]",
            "test_multiple_parameter_models.py::test_composed_parameter_models_forbid_extras[/dependency-Header-header]",
            "test_request_params/test_header/test_nullable_and_defaults.py::test_header_model_extra_error_preserves_header_name",
        ),
    ),
)


CLIENT_SUITES = (
    ClientSuite(
        "starlette",
        "1.10.0",
        ("rest-api", "alb"),
        (
            "middleware/test_opentelemetry.py",
            "middleware/test_wsgi.py",
            "test_concurrency.py::test_run_until_first_complete",
            "test_staticfiles.py::test_staticfiles_with_invalid_dir_permissions_returns_401",  # fails as root
        ),
        STARLETTE,
    ),
    ClientSuite(
        "fastapi",
        "0.165.0",
        ("http-api",),
        (
            "benchmarks",
            "memory_benchmarks",
            "test_fastapi_cli.py",
            "test_multipart_installation.py",
            "test_prepare_release.py",
            "test_translate.py",
            "test_telemetry",
            "test_tutorial",  # the documentation's examples, whose routes are those of the other tests
        ),
        FASTAPI,
        ("tests", "docs_src"),
    ),
)
