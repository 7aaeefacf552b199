"""PathGuard: a hook path is refused in every spelling that a server might accept for it; ordinary paths pass."""

import time
from collections.abc import Iterable

from bridge.path_guard import PathGuard, canonical_path
from tests.cases import every_case

BEFORE = "/hooks/before-snapshot"
AFTER = "/hooks/restored"

# fmt: off
SPELLINGS = [
    # A query, a fragment, capitals.
    "/hooks/restored", "/hooks/restored?x=1", "/hooks/restored?", "/hooks/restored?x=/a?b", "/hooks/restored#top",
    "/HOOKS/Restored",
    # Slashes and dots.
    "/hooks/restored/", "/hooks/restored///", "//hooks/restored", "///hooks/restored", "/hooks//restored",
    "/./hooks/./restored/.", "/x/../hooks/y/../restored", "/../../hooks/restored", "/hooks/restored/x/..",
    # Parameters.
    "/hooks/restored;v=1", "/hooks;a=b/restored;c=d", "/hooks;/restored;", "/;x/hooks/restored",
    "/hooks/restored%3Bv=1", "/x/..;a=b/hooks/restored", "/hooks/restored;v%3Fx",
    # Backslashes.
    "\\hooks\\restored", "/hooks\\restored", "/hooks%5Crestored%5c", "/x\\..\\hooks/restored",
    # A query or fragment that is encoded.
    "/hooks/restored%3Fx=1", "/hooks/restored%3F/../../x", "/hooks/restored%253Fx=1", "/hooks/restored%23top",
    "/hooks/restored%23/../x",
    # Bytes that some servers drop.
    "/hooks/re%00stored", "/hooks/restored%00", "/hooks/restored%2500", "/hooks/restored\0", "/hooks/restored%20",
    "/hooks%20/restored", "/hooks/restored%20?x", "/hooks/restored%20%3Fx", "/hooks/restored%09%0D%0A",
    "/hooks/restored%A0",
    # Encoded once and more often.
    "/x/%2e%2e/hooks/%2E/restored", "/x/.%2e/hooks/restored", "/%68ooks/restored",
    "/%68%6f%6f%6b%73%2f%72%65%73%74%6f%72%65%64", "/%48ooks/restored", "/hooks%2Frestored", "/hooks%2frestored",
    "%2F%2Fhooks%2F%2Frestored%2F", "/%2568ooks%252Frestored", "/%252568ooks/restored", "/%25252568ooks/restored",
    "/%68ooks/%2572estored", "/%%36%38ooks/restored",
    # C strings end with a NUL: so do paths in servers that hand them to the file system.
    "/hooks/restored%00.txt", "/hooks/restored%00/../../x",
    # `new URL(request.url, base)` in Node reads the first segment as a host, and so does Python's urlsplit().
    "//any.example/hooks/restored", "//any.example:80/hooks/restored", "///any.example/hooks/restored",
    "/\\any.example/hooks/restored", "//any.example/%68ooks%2Frestored",
    # RFC 9112, 3.2.2: a server must accept the absolute form.
    "http://any.example/hooks/restored", "HTTPS://any.example:443/hooks/restored?x",
    # The URL standard and urlsplit() drop tabs and line ends wherever they are.
    "/hooks/re%09stored", "/hooks/re%0D%0Astored",
]

ORDINARY = [
    "/", "", "*", "/?/hooks/restored", "/?next=/hooks/restored", "/#/hooks/restored", "/index.html", "/hooks",
    "/hooks/", "/hooks?restored", "/hooks/restore", "/hooks/restoredx", "/hooks/restored-2", "/hooks/restored/now",
    "/hooks/restored%2Fnow", "/hooks/xrestored", "/xhooks/restored", "/hooks/re/stored", "/hooks-restored",
    "/hooksrestored", "/api/hooks/restored", "/v1/api/hooks/restored", "/restored", "/restored/hooks",
    "/hooks/restored/..", "/hooks/restored/../before", "/hooks/before", "/hooks/re%20stored",
    "/hooks/r%C3%A9stored", "/caf%C3%A9", "/a%2Fb;c=d/e%00f", "//", "//a//b", "/%", "/%zz", "/%2", "/100%25",
    "/..%2f..%2fetc/passwd", "/a b", "/\u00ff\u00fe", "/.well-known/acme-challenge/x",
    "/search;sort=asc?q=hooks+restored", "/fetch/https://any.example/hooks/restored",
    "/fetch//any.example/hooks/restored",
]
# fmt: on


def passed(guard: PathGuard, targets: Iterable[str]) -> list[str]:
    return [target for target in targets if not guard.refuses(target.encode("latin-1"))]


def test_a_spelling_of_a_hook_path_is_refused() -> None:
    assert passed(PathGuard(BEFORE, AFTER), SPELLINGS) == []


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
    assert passed(PathGuard("/hooks/caf%C3%A9"), targets) == []


def test_an_ordinary_path_is_not_refused() -> None:
    assert passed(PathGuard(BEFORE, AFTER), ORDINARY) == ORDINARY


def test_a_guard_without_hook_paths_refuses_nothing() -> None:
    targets = ["/", "", "//", "/.", "/%2F", "/hooks/restored", "*"]
    assert passed(PathGuard(), targets) == passed(PathGuard("", ""), targets) == targets


def test_every_hook_path_is_guarded_and_one_without_the_other() -> None:
    targets = [BEFORE.encode(), AFTER.encode(), b"/other"]
    assert [PathGuard(BEFORE, AFTER).refuses(target) for target in targets] == [True, True, False]
    assert [PathGuard(BEFORE, "").refuses(target) for target in targets] == [True, False, False]
    assert [PathGuard("", AFTER).refuses(target) for target in targets] == [False, True, False]


def test_a_hook_path_that_is_set_in_another_spelling_is_guarded_alike() -> None:
    for path in ("/Hooks//Restored/", "/%68ooks/restored", "/hooks/x/../restored", "/hooks/restored;v=1"):
        assert passed(PathGuard(path), [path, "/hooks/restored", "/hooks"]) == ["/hooks"]


# Two combining characters in the order in which normalization swaps them, alone and within characters that decompose.
@every_case("marks", ["\u0301\u0323", "\u0f73", "\u0301\uff9e"])
def test_the_cost_of_combining_characters_is_linear(marks: str) -> None:
    guard = PathGuard("/hooks/caf%C3%A9")

    def seconds(count: int) -> float:
        target = f"/hooks/cafe{marks * count}".encode()
        taken = []
        for _ in range(3):
            start = time.process_time()
            guard.refuses(target)
            taken.append(time.process_time() - start)
        return min(taken)

    few, many = seconds(1000), seconds(16_000)
    assert many < 100 * few + 0.01, "16 times as many; a quadratic cost is 256 times as high"


def test_the_canonical_form_is_its_own_canonical_form() -> None:
    for target in [*SPELLINGS, *ORDINARY]:
        once = canonical_path(target.partition("?")[0])
        assert canonical_path(once) == once, target
        assert once.startswith("/"), target
        assert once == "/" or not once.endswith("/"), target
