"""The tree of exceptions is as the documentation draws it."""

import inspect
import re
import subprocess
from collections.abc import Callable

import pytest

from bridge import errors

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CLASSES = {name: getattr(errors, name) for name in errors.__all__}

# "│   ├── UnexpectedMessage   a message out of order": every level is four characters wide.
LINE = re.compile(r"(?P<indent>[ │├└─]*)(?P<name>[A-Za-z]\w*)(?P<note>  .*)?")


def drawn_parents() -> dict[str, str | None]:
    """Return each name of the tree in the docstring, and the name above it."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines()[2:]:
        if not line:
            continue
        match = LINE.fullmatch(line)
        assert match is not None, line
        depth = len(match["indent"]) // 4
        del above[depth:]
        parents[match["name"]] = above[-1] if above else None
        above.append(match["name"])
    return parents


def test_the_drawn_tree_has_every_class_under_its_base() -> None:
    drawn = drawn_parents()
    actual = {name: class_.__base__.__name__ for name, class_ in CLASSES.items()}
    assert {name: parent for name, parent in drawn.items() if parent is not None} == {
        name: base for name, base in actual.items() if name != "BridgeError"
    }
    assert [name for name, parent in drawn.items() if parent is None] == ["BridgeError", "SystemExit", "OSError"]


def test_every_class_of_the_module_is_exported() -> None:
    defined = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert defined == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_every_exception_says_what_it_is_in_one_sentence(name: str) -> None:
    first = (CLASSES[name].__doc__ or "").splitlines()[0]
    assert re.match(r"(The base of|Raised(,| (when|if|by|in|inside|at|after))) ", first), first
    assert first.rstrip().endswith((".", "any.")), first


@pytest.mark.parametrize("name", CLASSES)
def test_every_exception_is_one_of_the_base_error_the_exit_and_the_oserror(name: str) -> None:
    class_ = CLASSES[name]
    bases = [base for base in (errors.BridgeError, OSError, SystemExit) if issubclass(class_, base)]
    others = {"ClientDisconnected": OSError, "OriginLost": SystemExit, "Terminated": SystemExit}
    expected = others.get(name, errors.BridgeError)
    assert bases == [expected]


def test_only_what_ends_the_process_passes_by_whoever_catches_exceptions() -> None:
    """No handler of a request may swallow it: Lambda replaces the environment once its process has ended."""
    assert [name for name, class_ in CLASSES.items() if not issubclass(class_, Exception)] == [
        "OriginLost",
        "Terminated",
    ]


def test_a_lost_origin_ends_the_process_with_a_failure_and_its_message(run_python: Run) -> None:
    done = run_python(
        "from bridge.errors import OriginLost\n"
        "try:\n"
        "    raise OriginLost('The web server ended once more.')\n"
        "except Exception:\n"
        "    print('swallowed')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "The web server ended once more.\n")


def test_an_error_of_the_origin_carries_the_status_of_its_answer() -> None:
    origin = {name: class_ for name, class_ in CLASSES.items() if issubclass(class_, errors.OriginError)}
    assert {name: class_("No answer.").status_code for name, class_ in origin.items()} == {
        "OriginError": 502,
        "OriginNotStarted": 502,
        "OriginUnreachable": 502,
        "OriginBroken": 502,
        "OriginTimeout": 504,
        "SnapshotHookFailed": 502,
    }


def test_an_unexpected_message_says_what_was_expected_and_what_came() -> None:
    error = errors.UnexpectedMessage(expected="'http.response.start'", actual="http.response.body")
    assert str(error) == "Expected the ASGI application to send 'http.response.start', but got 'http.response.body'."


@pytest.mark.parametrize(("given", "status"), [({}, 400), ({"status_code": 413}, 413)])
def test_a_malformed_event_carries_the_status_of_its_answer(given: dict[str, int], status: int) -> None:
    error = errors.MalformedEvent("Cut short.", **given)
    assert (str(error), error.status_code) == ("Cut short.", status)
