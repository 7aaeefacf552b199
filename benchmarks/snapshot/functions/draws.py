"""One value of each source of random numbers, as text."""

import os
import random
import secrets
import ssl
import tempfile
import uuid
from pathlib import Path

# Seeded before the snapshot, and known to this module alone.
_own = random.Random()


def draw() -> dict[str, str]:
    with tempfile.NamedTemporaryFile() as file:
        name = Path(file.name).name
    return {
        "`random.random()`": repr(random.random()),
        "`uuid.uuid4()`": str(uuid.uuid4()),
        "`secrets.token_hex()`": secrets.token_hex(),
        "`os.urandom(16)`": os.urandom(16).hex(),
        "`ssl.RAND_bytes(16)`": ssl.RAND_bytes(16).hex(),
        "a name of `tempfile`": name,
        "a `random.Random` of the application": repr(_own.random()),
    }
