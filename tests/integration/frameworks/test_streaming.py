"""Responses that stream while the view of the framework is still running."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from django.core.signals import request_finished  # type: ignore[import-untyped]

from bridge import Bridge

from .conftest import FRAMEWORKS
from .gateways import URL_STREAMED
from .peers import Framework

pytestmark = pytest.mark.anyio


def event(path: str) -> dict[str, Any]:
    return URL_STREAMED.event(URL_STREAMED.request("GET", path))


@asynccontextmanager
async def bridged(framework: Framework, files: Path) -> AsyncIterator[tuple[Bridge, list[str]]]:
    journal: list[str] = []
    async with Bridge(framework.make_app(files=files, journal=journal)) as handler:
        yield handler, journal


async def test_the_first_part_arrives_while_the_view_waits(framework: Framework, files: Path) -> None:
    """The event is the view's context: it goes on when the first part is here, and not before."""
    gate = anyio.Event()
    with anyio.fail_after(30):
        async with bridged(framework, files) as (handler, _), handler.stream(event("/gate"), gate) as response:
            first = await anext(response.body)
            gate.set()
            rest = [part async for part in response.body]
    assert (response.prelude["statusCode"], first, b"".join(rest)) == (200, b"before\n", b"after\n")


async def test_a_reader_that_leaves_ends_the_view(
    framework: Framework, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no error, and no wait for an application that does not notice."""
    with anyio.fail_after(30), caplog.at_level(logging.WARNING):
        async with bridged(framework, files) as (handler, journal):
            async with handler.stream(event("/endless"), None) as response:
                assert await anext(response.body) == b"part 0\n"
            parts = len(journal)
            await anyio.wait_all_tasks_blocked()
            assert len(journal) == parts
    assert caplog.messages == []


async def test_a_reader_that_leaves_lets_django_clean_up(files: Path) -> None:
    """Django closes the response and the request's body, and sends request_finished, which gives connections back.

    It does so if http.disconnect cancels its view, but not if send() fails first.
    """
    finished: list[str] = []

    def note(sender: object, **_: object) -> None:
        finished.append(getattr(sender, "__name__", ""))

    request_finished.connect(note)
    try:
        django = next(framework for framework in FRAMEWORKS if framework.name == "django")
        async with bridged(django, files) as (handler, _), handler.stream(event("/endless"), None) as response:
            assert await anext(response.body) == b"part 0\n"
    finally:
        request_finished.disconnect(note)
    assert finished == ["ASGIHandler"]
