from collections.abc import Iterator
from pathlib import Path

import pytest

from . import django_app, fastapi_app, litestar_app, quart_app
from .gateways import STAGED
from .peers import Framework, Peers, Site

FRAMEWORKS = [
    Framework("fastapi", fastapi_app.make_app),
    Framework("django", django_app.make_app, has_lifespan=False),
    Framework("litestar", litestar_app.make_app),
    Framework("quart", quart_app.make_app),
]


@pytest.fixture
def anyio_backend() -> str:
    """Choose asyncio: of these frameworks, FastAPI alone runs on trio."""
    return "asyncio"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of static files: `logo.png` has every byte, `style.css` is text that is not ASCII."""
    directory = tmp_path_factory.mktemp("files")
    (directory / "logo.png").write_bytes(bytes(range(256)) * 16)
    (directory / "style.css").write_text("p::after { content: '→'; }\n", encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def peers(files: Path) -> Iterator[Peers]:
    peers = Peers(files)
    yield peers
    peers.close()


@pytest.fixture(params=FRAMEWORKS, ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    found: Framework = request.param
    return found


@pytest.fixture
def site(framework: Framework, peers: Peers) -> Site:
    """Return one framework with a REST API with a stage."""
    return Site(framework, STAGED, peers)
