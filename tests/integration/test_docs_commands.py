"""Every command that README.md, docs/ and the samples' READMEs tell a reader to type works in a checkout.

The `sh` blocks of each page run as they are, in the page's folder of a copy of the checkout, in one new environment.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events import load
from tests.integration.servers import free_port
from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtimes

ROOT = Path(__file__).parents[2]
PAGES = [
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("sample_apps/*/README.md"))]
]

# The commands that run here, by their first words, and why others do not.
RUN = ("cd ", "curl ", "export ", "pip ", "python -c ", "python -m bridge ", "uvicorn ")
NOT_RUN = {
    "BRIDGE_BENCH_LWA=": "it measures for minutes",
    "cargo install ": "it compiles for minutes",
    "nox -s bench": "it measures for minutes",
    "nox -s freezes": "it measures for minutes",
    "nox -s snapshot": "it restores a machine for minutes",
    "python -m bridge.runtime ": "it needs a Runtime API: the last test has one",
    "python3 -m venv .venv && .venv/bin/pip install --quiet 'nox[uv]' && .venv/bin/nox": "it runs this test",
    "sam ": "it needs an AWS account",
}

# uv installs what pip would, in a tenth of the time. It has no `pip wheel`.
PIP = """#!/bin/sh
if [ "$1" = install ]; then shift; exec {bin}/uv pip install --python {venv}/bin/python "$@"; fi
exec {bin}/python -m pip "$@"
"""

# Starts the real server, and ends it as soon as it has answered.
UVICORN = """#!{python}
import http.client, subprocess, sys, time

server = subprocess.Popen([{uvicorn!r}, *sys.argv[1:], "--port", "{port}"])
try:
    for _ in range(600):
        time.sleep(0.1)
        client = http.client.HTTPConnection("127.0.0.1", {port}, timeout=30)
        try:
            client.request("GET", "/")
        except ConnectionRefusedError:
            continue
        sys.exit(client.getresponse().status != 200)
finally:
    server.terminate()
    server.wait()
"""


# Starts the gateway in the background, until the next one starts or the page ends. Its port is a free one.
DEV = """
running=
end() { if [ -n "$running" ]; then kill "$running"; wait "$running" || true; running=; fi; }
trap end EXIT
dev() {
    end
    if [ "$3" = --help ]; then python -m bridge dev --help; return; fi
    : > dev.log  # the background process empties it later than the first look at it
    python -m bridge dev "$@" > dev.log 2>&1 & running=$!
    for _ in $(seq 600); do grep -q Ctrl+C dev.log && return; sleep 0.1; done
    cat dev.log; false
}
"""


APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"served"})
"""


def commands(page: str) -> list[str]:
    """Return the commands in the `sh` blocks of a page. A block that starts with #! is the content of a file."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[str] = []
    for block in re.findall(r"^```sh\n(?!#!)(.*?)^```", text, re.MULTILINE | re.DOTALL):
        pending = ""
        for line in block.splitlines(keepends=True):
            pending += line
            try:
                words = shlex.split(pending, comments=True)
            except ValueError:  # a quotation that goes on in the next line
                continue
            found += [pending.strip()] if words else []
            pending = ""
        assert pending == "", f"{page}: a quotation does not end"
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("bridge", "docs", "sample_apps"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Make an environment that is empty except for `pip`, and return the variables that a shell has in it."""
    venv, ours = tmp_path_factory.mktemp("venv"), Path(sys.executable).parent
    subprocess.run([ours / "uv", "venv", "--quiet", "--clear", "--python", sys.executable, venv], check=True)
    uvicorn = UVICORN.format(python=sys.executable, uvicorn=f"{venv}/bin/uvicorn", port=free_port())
    scripts = {"pip": PIP.format(bin=ours, venv=venv), "uvicorn": uvicorn}
    first = tmp_path_factory.mktemp("first")
    for name, text in scripts.items():
        (first / name).write_text(text)
        (first / name).chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="b") as folder:  # with a short name, because UNIX sockets are made in it
        yield {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "ALBUM_SECRET_KEY": "0123456789abcdef0123456789abcdef",
            "AWS_LWA_PORT": str(free_port()),
            "MAIL_SECONDS": "0",
            "PATH": f"{first}:{venv}/bin:{os.defpath}",
            "TMPDIR": folder,
            "VIRTUAL_ENV": str(venv),
        }


def run(script: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def with_gateways(script: str) -> str:
    """Return a script whose gateways run in the background, on free ports."""
    if "python -m bridge dev" not in script:
        return script
    first = free_port(100, 101)
    for old, new in {"3000": first, "3100": first + 100, "3101": first + 101}.items():
        script = script.replace(f":{old}", f":{new}")
    return DEV + re.sub(r"^python -m bridge dev", f"dev --port {first}", script, flags=re.MULTILINE)


def save_application(page: str, folder: Path) -> None:
    """Save the first `python` block of a page that tells its reader to."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if "above as `app.py`" in text:
        (folder / "app.py").write_text(text.partition("```python\n")[2].partition("```")[0], encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_work(page: str, checkout: Path, environ: dict[str, str]) -> None:
    if "node" in page and shutil.which("node") is None:
        pytest.skip("There is no node here.")
    to_run = [command for command in commands(page) if not command.startswith(tuple(NOT_RUN))]
    assert [command for command in to_run if not command.startswith(RUN)] == []
    if page == "README.md":
        # Its last step: whatever requires the package by its name gets the checkout's.
        to_run.append("pip download --quiet --no-index --no-deps --dest found lambda-asgi-bridge")
    folder = (checkout / page).parent
    save_application(page, folder)
    uninstall = f'{Path(sys.executable).parent}/uv pip uninstall --python "$VIRTUAL_ENV/bin/python" lambda-asgi-bridge'
    run(uninstall, folder, environ)  # of the page before
    output = run(with_gateways("\n".join(to_run)), folder, environ)
    assert "Traceback" not in output
    if "for path in sorted(pathlib.Path('events').iterdir())" in "\n".join(to_run):
        events = sorted(path.stem for path in (folder / "events").iterdir())
        assert [line.split(" ", 1)[0] for line in output.splitlines() if "'statusCode': " in line] == events
        assert "'statusCode': 5" not in output


def test_the_runtime_serves_what_the_readme_names(api: RuntimeDouble, start_runtime: Runtimes, tmp_path: Path) -> None:
    (command,) = [command for command in commands("README.md") if command.startswith("python -m bridge.runtime ")]
    target = command.split()[-1]
    (tmp_path / f"{target.partition(':')[0]}.py").write_text(APP)
    start_runtime(tmp_path, target)
    assert api.invoke(load("function_url")).answer().json["body"] == "served"
