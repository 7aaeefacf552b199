"""What the inspector saves as a test runs, and passes: of every source, with bodies and paths that need quoting."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args
from urllib.parse import quote

from bridge.local.inspector.saved_test import saved_test
from bridge.local.invocation import Invocation
from bridge.local.settings import SourceSettings
from bridge.testing.services import ServiceName
from tests.integration.gateway import FUNCTIONS, LIMIT, RunningGateway

REQUESTS = [
    ("/", b""),
    ("/json?x=1&y=%27%22&x=2&e=", b'it\'s "quoted" \'\'\'three\'\'\' """times"""'),
    ("/" + quote('a;import os\n\'"""') + "/json", b"back\\slash \\n \\x00"),
    ("/%E2%80%AE/" + quote("שלום"), "ä € \U0001f389 \u202e".encode()),
    ("/" + "a" * 300, b"two\r\nlines\r"),
    ("/class/def.json", bytes(range(256))),
    ("//double//json?a=b=c&&d", b'{"k": [1, true, null]}'),
    ("/long", b"x" * 5000),
]

EVENTS = [b"{}", b'[1, "\\u00e4\'\\"\\\\", null, true, 1e5]', '"\U0001f389\\r\\n"'.encode(), b'{"k": "\\ud800"}']


def test_a_saved_test_passes(tmp_path: Path) -> None:
    sources = [
        SourceSettings(
            name=name,
            stage="prod" if name in ("rest-api", "http-api") else "",
            is_streamed=name in ("function-url", "rest-api"),
        )
        for name in get_args(ServiceName)
    ]
    with RunningGateway("repeating_site:handler", *sources, is_streamed=True) as local:
        for number, source in enumerate(sources):
            for path, body in REQUESTS:
                url = local.url(f"/{source.stage}{path}" if source.stage else path, number)
                headers = {"Cookie": 's=1; t="q"', "X-Odd": 'it\'s "odd" \\'}
                local.client.request("POST" if body else "GET", url, content=body or None, headers=headers)
                _save(local, local.record(), tmp_path)
    with RunningGateway("repeating_site:plain") as local:
        for event in EVENTS:
            _save(local, local.run(local.gateway.invoke(event)), tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(tmp_path)]
    ended = subprocess.run(command, cwd=FUNCTIONS, capture_output=True, text=True, timeout=4 * LIMIT, check=False)
    assert f"{len(sources) * len(REQUESTS) + len(EVENTS)} passed" in ended.stdout, ended.stdout


def _save(local: RunningGateway, invocation: Invocation, folder: Path) -> None:
    saved = saved_test(invocation, local.gateway.function, local.gateway.sources)
    assert re.fullmatch(r"test_[a-z0-9_]{1,60}", saved.name)
    own = folder / invocation.id
    own.mkdir()
    (own / f"{saved.name}.py").write_text(saved.code, encoding="utf-8")
    (own / f"{saved.name}.json").write_text(saved.event, encoding="utf-8")
