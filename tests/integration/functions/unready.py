"""An application whose import and whose startup fail, until the journal says that what they need is there."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

journal = Path(os.environ["JOURNAL"])


def need(thing: str) -> None:
    if not journal.exists() or thing not in journal.read_text(encoding="utf-8").splitlines():
        raise RuntimeError(f"no {thing}")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    need("database")
    yield


need("secret")

app = Starlette(lifespan=lifespan, routes=[Route("/", lambda request: PlainTextResponse("ready"))])
