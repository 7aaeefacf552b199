from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import scope_of


@every_case(
    ("sent", "path", "raw_path"),
    [
        # What a client can have sent is taken as sent.
        ("/a%2Fb", "/a/b", b"/a%2Fb"),
        ("/caf%C3%A9", "/café", b"/caf%C3%A9"),
        ("/a+b", "/a+b", b"/a+b"),
        # What no client can have sent was decoded on the way, all of it.
        ("/a b%20c", "/a b%20c", b"/a%20b%2520c"),
        ("/100%", "/100%", b"/100%25"),
        ("/café%20", "/café%20", b"/caf%C3%A9%2520"),
        ("/a?b#c", "/a?b#c", b"/a%3Fb%23c"),
    ],
)
def test_the_path_is_unquoted_only_if_it_is_encoded(sent: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(load("http_api_v1", path=sent))
    assert (scope["path"], scope["raw_path"]) == (path, raw_path)


@every_case(
    ("path", "stage", "expected"),
    [
        ("/x", "$default", ("", "/x")),
        ("/Prod/x", "Prod", ("/Prod", "/Prod/x")),
        ("/Prod", "Prod", ("/Prod", "/Prod/")),
        ("/Production", "Prod", ("", "/Production")),
        ("/x", "Prod", ("", "/x")),
        ("/None/x", None, ("", "/None/x")),
    ],
)
def test_a_named_stage_in_the_path_is_the_root_path(path: str, stage: object, expected: tuple[str, str]) -> None:
    scope = scope_of(load("http_api_v1", path=path, requestContext__stage=stage))
    assert (scope["root_path"], scope["path"]) == expected
