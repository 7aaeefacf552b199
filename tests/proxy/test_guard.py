"""HookGuard: a hook path is refused in every spelling that a server might accept for it; ordinary paths pass."""

from collections.abc import Iterable

from bridge.proxy.guard import HookGuard, canonical_path

BEFORE = "/hooks/before-snapshot"
AFTER = "/hooks/restored"

SPELLINGS = {
    "as it is": "/hooks/restored",
    "with a query": "/hooks/restored?x=1",
    "with an empty query": "/hooks/restored?",
    "with a query that has a question mark": "/hooks/restored?x=/a?b",
    "with a fragment, which a raw client can send": "/hooks/restored#top",
    "in capitals": "/HOOKS/Restored",
    "with a slash at its end": "/hooks/restored/",
    "with slashes at its end": "/hooks/restored///",
    "with two slashes at its start": "//hooks/restored",
    "with three slashes at its start": "///hooks/restored",
    "with two slashes inside": "/hooks//restored",
    "with a dot": "/./hooks/./restored/.",
    "with two dots": "/x/../hooks/y/../restored",
    "with two dots above the root": "/../../hooks/restored",
    "with two dots at its end": "/hooks/restored/x/..",
    "with encoded dots": "/x/%2e%2e/hooks/%2E/restored",
    "with dots half encoded": "/x/.%2e/hooks/restored",
    "with an encoded letter": "/%68ooks/restored",
    "with every byte encoded": "/%68%6f%6f%6b%73%2f%72%65%73%74%6f%72%65%64",
    "with its capital encoded": "/%48ooks/restored",
    "with an encoded slash": "/hooks%2Frestored",
    "with an encoded slash in lower case": "/hooks%2frestored",
    "with encoded slashes all over": "%2F%2Fhooks%2F%2Frestored%2F",
    "encoded twice": "/%2568ooks%252Frestored",
    "encoded three times": "/%252568ooks/restored",
    "encoded four times": "/%25252568ooks/restored",
    "encoded unevenly": "/%68ooks/%2572estored",
    "with the percent sign's digits encoded": "/%%36%38ooks/restored",
    "with parameters": "/hooks/restored;v=1",
    "with parameters in every segment": "/hooks;a=b/restored;c=d",
    "with empty parameters": "/hooks;/restored;",
    "with a segment of parameters alone": "/;x/hooks/restored",
    "with encoded parameters": "/hooks/restored%3Bv=1",
    "with parameters after dots": "/x/..;a=b/hooks/restored",
    "with parameters and an encoded query": "/hooks/restored;v%3Fx",
    "with backslashes": "\\hooks\\restored",
    "with a backslash inside": "/hooks\\restored",
    "with encoded backslashes": "/hooks%5Crestored%5c",
    "with backslashes around dots": "/x\\..\\hooks/restored",
    "with an encoded question mark": "/hooks/restored%3Fx=1",
    "with an encoded question mark and dots": "/hooks/restored%3F/../../x",
    "with a question mark encoded twice": "/hooks/restored%253Fx=1",
    "with an encoded fragment": "/hooks/restored%23top",
    "with an encoded fragment and dots": "/hooks/restored%23/../x",
    "with a NUL that is dropped": "/hooks/re%00stored",
    "with a NUL at its end": "/hooks/restored%00",
    "with a NUL encoded twice": "/hooks/restored%2500",
    "with a raw NUL": "/hooks/restored\0",
    "with a space at its end": "/hooks/restored%20",
    "with a space before a slash": "/hooks%20/restored",
    "with a space before a query": "/hooks/restored%20?x",
    "with a space before an encoded query": "/hooks/restored%20%3Fx",
    "with a tab and a line end": "/hooks/restored%09%0D%0A",
    "with a space that does not break": "/hooks/restored%A0",
}


def passed(guard: HookGuard, targets: Iterable[str]) -> list[str]:
    return [target for target in targets if not guard.refuses(target.encode("latin-1"))]


# Each of these is the hook path to some server that is in use.
HARDER = {
    # C strings end there: so do paths in servers that hand them to the file system.
    "with a NUL that ends it": "/hooks/restored%00.txt",
    "with a NUL that ends it before a slash": "/hooks/restored%00/../../x",
    # `new URL(request.url, base)` in Node reads the first segment as a host, and so does Python's urlsplit().
    "with a host before it": "//any.example/hooks/restored",
    "with a host and a port before it": "//any.example:80/hooks/restored",
    "with a host after more slashes": "///any.example/hooks/restored",
    "with a host after backslashes": "/\\any.example/hooks/restored",
    "with a host and an encoded hook": "//any.example/%68ooks%2Frestored",
    # RFC 9112, 3.2.2: a server must accept the absolute form.
    "as a whole URL": "http://any.example/hooks/restored",
    "as a whole URL in capitals": "HTTPS://any.example:443/hooks/restored?x",
    # The URL standard and urlsplit() drop these wherever they are.
    "with a tab inside": "/hooks/re%09stored",
    "with a line end inside": "/hooks/re%0D%0Astored",
}


def test_a_spelling_of_a_hook_path_is_refused() -> None:
    assert passed(HookGuard(BEFORE, AFTER), SPELLINGS.values()) == []


def test_a_spelling_that_only_some_servers_accept_for_a_hook_path_is_refused() -> None:
    assert passed(HookGuard(BEFORE, AFTER), HARDER.values()) == []


def test_a_hook_path_that_is_not_ascii_is_refused_in_every_form_of_unicode() -> None:
    targets = [
        "/hooks/caf%C3%A9",
        "/hooks/caf%c3%a9",
        "/hooks/caf\u00c3\u00a9",  # the bytes of UTF-8, not encoded
        "/hooks/caf%25C3%25A9",
        "/HOOKS/CAF%C3%A9/",
        "/hooks/CAF%C3%89",  # the capital letter
        "/hooks/cafe%CC%81",  # the letter and its accent apart
        "/hoo%E2%84%AAs/caf%C3%A9",  # the sign of kelvin, whose small letter is k
        "/%EF%BD%88ooks/caf%C3%A9",  # a letter of full width
        "/hooks%EF%BC%8Fcaf%C3%A9",  # a slash of full width
    ]
    assert passed(HookGuard("/hooks/caf%C3%A9"), targets) == []


ORDINARY = [
    "/",
    "",
    "*",
    "/?/hooks/restored",
    "/?next=/hooks/restored",
    "/#/hooks/restored",
    "/index.html",
    "/hooks",
    "/hooks/",
    "/hooks?restored",
    "/hooks/restore",
    "/hooks/restoredx",
    "/hooks/restored-2",
    "/hooks/restored/now",
    "/hooks/restored%2Fnow",
    "/hooks/xrestored",
    "/xhooks/restored",
    "/hooks/re/stored",
    "/hooks-restored",
    "/hooksrestored",
    "/api/hooks/restored",
    "/v1/api/hooks/restored",
    "/restored",
    "/restored/hooks",
    "/hooks/restored/..",
    "/hooks/restored/../before",
    "/hooks/before",
    "/hooks/re%20stored",
    "/hooks/r%C3%A9stored",
    "/caf%C3%A9",
    "/a%2Fb;c=d/e%00f",
    "//",
    "//a//b",
    "/%",
    "/%zz",
    "/%2",
    "/100%25",
    "/..%2f..%2fetc/passwd",
    "/a b",
    "/\u00ff\u00fe",
    "/.well-known/acme-challenge/x",
    "/search;sort=asc?q=hooks+restored",
    "/fetch/https://any.example/hooks/restored",
    "/fetch//any.example/hooks/restored",
]


def test_an_ordinary_path_is_not_refused() -> None:
    assert passed(HookGuard(BEFORE, AFTER), ORDINARY) == ORDINARY


def test_a_guard_without_hook_paths_refuses_nothing() -> None:
    targets = ["/", "", "//", "/.", "/%2F", "/hooks/restored", "*"]
    assert passed(HookGuard(), targets) == passed(HookGuard("", ""), targets) == targets


def test_every_hook_path_is_guarded_and_one_without_the_other() -> None:
    targets = [BEFORE.encode(), AFTER.encode(), b"/other"]
    assert [HookGuard(BEFORE, AFTER).refuses(target) for target in targets] == [True, True, False]
    assert [HookGuard(BEFORE, "").refuses(target) for target in targets] == [True, False, False]
    assert [HookGuard("", AFTER).refuses(target) for target in targets] == [False, True, False]


def test_a_hook_path_that_is_set_in_another_spelling_is_guarded_alike() -> None:
    for path in ("/Hooks//Restored/", "/%68ooks/restored", "/hooks/x/../restored", "/hooks/restored;v=1"):
        assert passed(HookGuard(path), [path, "/hooks/restored", "/hooks"]) == ["/hooks"]


def test_the_canonical_form_is_its_own_canonical_form() -> None:
    for target in [*SPELLINGS.values(), *ORDINARY]:
        once = canonical_path(target.partition("?")[0])
        assert canonical_path(once) == once, target
        assert once.startswith("/"), target
        assert once == "/" or not once.endswith("/"), target
