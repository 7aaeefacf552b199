"""A Lambda function whose application cannot start."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from bridge import Bridge


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    if "DATABASE" not in os.environ:
        raise RuntimeError("the database is down")
    yield


handler = Bridge(Starlette(lifespan=lifespan))
