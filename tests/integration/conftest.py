from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.pypi import cache_folder
from tests.integration.rie import Emulator, fetch_emulator, missing_platform

StartEmulator = Callable[..., Emulator]


@pytest.fixture(scope="session")
def download_cache() -> Path:
    return cache_folder()


@pytest.fixture(scope="session")
def emulator_binary(download_cache: Path) -> Path:
    reason = missing_platform()
    if reason is not None:
        pytest.skip(reason)
    return fetch_emulator(download_cache)


@pytest.fixture
def start_emulator(emulator_binary: Path, tmp_path: Path) -> Iterator[StartEmulator]:
    """`start_emulator("module.handler", VARIABLE="value")`: an execution environment for this test alone."""
    with ExitStack() as running:

        def start(handler: str, **environ: str) -> Emulator:
            return running.enter_context(Emulator(emulator_binary, handler, tmp_path / "journal", environ))

        yield start


@pytest.fixture(scope="module")
def shop(emulator_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An execution environment for the tests that leave it as they found it."""
    with Emulator(emulator_binary, "shop.handler", tmp_path_factory.mktemp("shop") / "journal") as emulator:
        yield emulator
