from typing import Any

from bridge import Settings
from tests.cases import every_case
from tests.events import load
from tests.sources.exchange import scope_of

OWN_DOMAIN = "api.example.com"


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


@every_case(
    ("path", "resource", "parameters", "stage", "expected"),
    [
        # The API mapping is the client's own, and only the route tells where it ends. Path parameters are decoded.
        ("/shop/items/3", "/items/{item}", {"item": "3"}, "$default", "/shop"),
        ("/shop/v1/items/3/", "/items/{item}", {"item": "3"}, "prod", "/shop/v1"),
        ("/shop/caf%C3%A9", "/{name}", {"name": "café"}, "prod", "/shop"),
        ("/shop/a%2Fb/c", "/{proxy+}", {"proxy": "a/b/c"}, "prod", "/shop"),
        ("/shop", "/", None, "prod", "/shop"),
        # A first segment like the stage's name is a part of the path, or the mapping.
        ("/prod/x", "/{proxy+}", {"proxy": "prod/x"}, "prod", ""),
        ("/prod/x", "/prod/x", None, "prod", ""),
        ("/prod/x", "/{proxy+}", {"proxy": "x"}, "prod", "/prod"),
        # Nothing can be proven.
        ("/shop/items/3", "$default", None, "$default", ""),
        ("/prod/x", "$default", None, "prod", ""),
        ("/shop//items", "/items", None, "prod", ""),
    ],
)
def test_the_api_mapping_of_a_custom_domain_is_the_root_path(
    path: str, resource: str, parameters: object, stage: str, expected: str
) -> None:
    context: dict[str, Any] = {"requestContext__domainName": OWN_DOMAIN, "requestContext__stage": stage}
    scope = scope_of(load("http_api_v1", path=path, resource=resource, pathParameters=parameters, **context))
    sent = path + "/" if path == expected else path
    assert (scope["root_path"], scope["raw_path"].decode()) == (expected, sent)


def test_base_path_takes_the_place_of_the_api_mapping() -> None:
    event = load("http_api_v1", path="/shop/x", resource="/x", requestContext__domainName=OWN_DOMAIN)
    scope = scope_of(event, Settings(base_path="/shop"))
    assert (scope["root_path"], scope["path"]) == ("", "/x")
