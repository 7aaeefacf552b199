"""The commands of a contributor. A bare `nox` is the one to run before pushing; `nox -t matrix` tests everything.

Each session makes an environment of its own from this project's files, and uses it again the next time. Only nox has to
be installed by hand; `nox[uv]` brings uv too, which makes an environment in a second instead of twenty.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox
from nox.logger import logger

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a missing Python is skipped, and a line says so
nox.options.tags = ["default"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

# Sets of dependencies: the oldest that pyproject.toml allows, together, and the newest with each flavour of httpx.
DEPENDENCIES = {
    "oldest": ["anyio==4.4.0", "httpx==0.27.0", "starlette==0.40.0", "trio==0.26.0"],
    "httpx": ["httpx[cli]"],  # the extra installs what `import bridge` must not import
    "httpx2": ["httpx2"],
}

# Tests whose result hardly depends on the Python or on the flavour of httpx, and which wait for sockets and processes.
OF_PROCESSES = ["tests/proxy", "tests/runtime", "tests/test_in_lambda.py"]

# Integration tests that take a minute or more together: they run with the rest of the matrix.
OF_TOOLS = [
    "tests/integration/instrumentation",
    "tests/integration/inspector",
    *(f"tests/integration/test_local_{part}.py" for part in ("ends", "gateway", "invoke", "samples", "websocket")),
]


def offer_pyenv_versions() -> None:
    """Let pyenv's `python3.12` and the like answer: they do so for the versions in PYENV_VERSION alone."""
    versions = sorted(path.name for path in (Path.home() / ".pyenv/versions").glob("3.*"))
    if versions and "PYENV_VERSION" not in os.environ:
        os.environ["PYENV_VERSION"] = ":".join(versions)


def starts(version: str) -> bool:
    try:
        return subprocess.run([f"python{version}", "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def newest_python() -> str:
    """Return the newest Python here that really starts. A missing newer one is named in a line."""
    for version in reversed(PYTHONS):
        if starts(version):
            return version
        logger.warning("There is no Python %s here: the tests that need it are left out.", version)
    return PYTHONS[0]


offer_pyenv_versions()
NEWEST = newest_python()


def is_default(python: str, dependencies: str) -> bool:
    return python == NEWEST if dependencies != "oldest" else python == PYTHONS[0]


def test_cells() -> Iterator[object]:
    """Yield every Python with every set of dependencies. The `rest` of the matrix is what a bare `nox` leaves out."""
    for python in PYTHONS:
        for dependencies in DEPENDENCIES:
            tag = "default" if is_default(python, dependencies) else "rest"
            yield nox.param(python, dependencies, id=f"{python}-{dependencies}", tags=["matrix", tag])


def install(session: nox.Session, *groups: str, more: list[str] | None = None) -> None:
    """Install the project itself and some of its dependency groups."""
    session.install("-e", ".", *nox.project.dependency_groups(PYPROJECT, *groups), *(more or []))


def run_tests(session: nox.Session, *arguments: str, processes: int = 1, env: dict[str, str] | None = None) -> None:
    """Run pytest in some processes for each CPU, and in a temporary folder with a short name.

    The path of a UNIX socket has 103 bytes at most.
    """
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        options = ["-q", "-n", str(processes * (os.cpu_count() or 1)), f"--basetemp={folder}/t"]
        session.run("pytest", *options, *arguments, *session.posargs, env=env)


@nox.session(tags=["default"])
def check(session: nox.Session) -> None:
    """Check style, types, import walls, and what bandit and pip-audit know; write nothing."""
    install(session, "check", "integration", "bench", more=["httpx2"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("mypy")
    session.run("bandit", "--quiet", "--configfile=pyproject.toml", "--recursive", "bridge", "sample_apps")
    audit(session)


def audit(session: nox.Session) -> None:
    """Fail for packages with known vulnerabilities. Warn about those that the service of PyPI does not know.

    pip-audit itself takes an answer of "unknown" for a pass: a mirror of PyPI has the packages, and often nothing more.
    """
    command = ["pip-audit", "--format=json", "--progress-spinner=off", "--skip-editable"]
    output = session.run(*command, success_codes=[0, 1], silent=True, stderr=subprocess.DEVNULL)
    try:
        packages = json.loads(str(output))["dependencies"]
    except (ValueError, TypeError, KeyError):
        session.warn("NOT AUDITED: PyPI's service for vulnerabilities cannot be reached from here.")
        return
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown:
        session.warn(
            "NOT AUDITED: PyPI's service for vulnerabilities, or the mirror here, does not know %d of %d packages.",
            len(unknown),
            len(packages),
        )
    found = [(package["name"], flaw["id"]) for package in packages for flaw in package.get("vulns", [])]
    if found:
        session.error(f"Packages with known vulnerabilities: {found}")
    if len(unknown) < len(packages):
        session.log("Audited: %d of %d packages. No known vulnerability.", len(packages) - len(unknown), len(packages))


@nox.session
@nox.parametrize("python,dependencies", list(test_cells()))
def tests(session: nox.Session, dependencies: str) -> None:
    """Run the unit tests: oldest and newest dependencies, httpx and httpx2."""
    install(session, "test", more=DEPENDENCIES[dependencies])
    left_out = ["tests/integration"]
    if is_default(str(session.python), dependencies) and dependencies != "httpx":
        left_out += OF_PROCESSES
        session.log("Left out here: %s. They run on Python %s with httpx.", ", ".join(OF_PROCESSES), NEWEST)
    run_tests(session, *[f"--ignore-glob={path}" for path in left_out], processes=2)


@nox.session(tags=["default"])
def integration(session: nox.Session) -> None:
    """Test with real peers: frameworks, uvicorn, awslambdaric under the official emulator, boto3, httpx's own tests."""
    install(session, "integration", more=["httpx2"])
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration")}
    session.log("Left out here: %s. They are the session `tools`.", ", ".join(OF_TOOLS))
    run_tests(session, "--dist=loadfile", "tests/integration", *(f"--ignore-glob={path}" for path in OF_TOOLS), env=env)


@nox.session(tags=["matrix", "rest"])
def tools(session: nox.Session) -> None:
    """Test Powertools, X-Ray, Sentry, Datadog, New Relic and OpenTelemetry, and the local gateway, also in Chromium."""
    install(session, "integration", more=["httpx2"])
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration")}
    run_tests(session, "--dist=loadfile", *OF_TOOLS, env=env)


@nox.session(tags=["matrix", "rest"])
def client_suites(session: nox.Session) -> None:
    """Run Starlette's and FastAPI's own tests through every AWS service; the integration tests run some of them."""
    install(session, "integration", more=["httpx2"])
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration"), "BRIDGE_TEST_ALL_SOURCES": "1"}
    run_tests(session, "tests/integration/test_client_suites.py", env=env)


@nox.session(tags=["default"])
def demo(session: nox.Session) -> None:
    """Answer a client of every AWS service with a sample application."""
    session.install("-e", ".", "starlette>=0.40")
    session.run("python", "sample_apps/demo.py", *session.posargs)


@nox.session
def images(session: nox.Session) -> None:
    """Take the pictures of the inspector in docs/images anew, with the system's Chromium."""
    install(session, "integration")
    session.run("python", "-m", "tests.integration.inspector_images", *session.posargs)


@nox.session(tags=["matrix", "rest"])
def soak(session: nox.Session) -> None:
    """Send 20,000 invocations through one process of the runtime; the integration tests send 1,000."""
    install(session, "test")
    env = {"BRIDGE_TEST_SOAK": "20000"}
    session.run("pytest", "-q", "tests/integration/test_runtime_soak.py", *session.posargs, env=env)


@nox.session
def freezes(session: nox.Session) -> None:
    """Freeze functions with five web servers, 100 times each, for 8 minutes: no request may fail or be sent twice."""
    install(session, more=["gunicorn>=23", "uvicorn>=0.32", "hypercorn>=0.17", "granian>=1.6", "httpx2"])
    session.run("python", "benchmarks/freezes.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Look for events, responses and bytes that break a rule: 100,000 random cases, then coverage-guided ones.

    It needs some 5 minutes. `nox -s fuzz -- 500` needs ten times as long.
    """
    install(session, "fuzz")
    factor = session.posargs[0] if session.posargs else "50"  # times the 2,000 cases of the ordinary tests
    processes = str(os.cpu_count() or 1)
    session.run("pytest", "-q", "-n", processes, "tests/fuzz", env={"BRIDGE_TEST_FUZZ": factor})
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        session.warn("Coverage-guided fuzzing is left out: atheris has wheels for Linux on x86-64 alone.")
        return
    for target in ("events", "replies", "responses"):
        folder = Path(session.create_tmp(), target)
        folder.mkdir(exist_ok=True)
        options = [f"-max_total_time={factor}", f"-artifact_prefix={folder}/", "-verbosity=0", "-print_final_stats=1"]
        session.run("python", "-m", "tests.fuzz.coverage_guided", target, str(folder), *options)


@nox.session
def lint(session: nox.Session) -> None:
    """Fix what can be fixed."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "check"))
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the unit tests with branch coverage of the package."""
    install(session, "coverage", more=["httpx2"])
    session.run("coverage", "run", "-m", "pytest", "--ignore=tests/integration", *session.posargs)
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against Mangum, the stock transport and a socket; assert nothing."""
    install(session, "bench", more=["httpx2"])
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration")}
    session.run("python", "benchmarks/run.py", *session.posargs, env=env)


@nox.session
def snapshot(session: nox.Session) -> None:
    """Restore a real machine 20 times, and see which first requests fail; needs root on Debian, and installs QEMU."""
    session.install("-e", ".", "pip>=24")
    cache = str(Path(session.cache_dir) / "snapshot")
    session.run("python", "benchmarks/snapshot/run.py", "--cache", cache, *session.posargs)
