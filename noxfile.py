"""What a contributor runs. A bare `nox` is what to run before pushing; `nox -l` lists the rest.

Every session makes its own environment from this project's own files: nothing but nox needs to be installed by hand.
"""

import os
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a Python that is not here is skipped, with a line that says so
nox.options.sessions = ["check", "tests", "integration", "demo"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

# Sets of dependencies: the least that pyproject.toml allows, together, and the newest with either httpx.
DEPENDENCIES = {
    "oldest": ["anyio==4.4.0", "httpx==0.27.0", "starlette==0.40.0", "trio==0.26.0"],
    "httpx": [],
    "httpx2": ["httpx2"],
}


def offer_pyenv_versions() -> None:
    """Let pyenv's `python3.12` and the like answer: they do for the versions that PYENV_VERSION names."""
    versions = sorted(path.name for path in (Path.home() / ".pyenv/versions").glob("3.*"))
    if versions and "PYENV_VERSION" not in os.environ:
        os.environ["PYENV_VERSION"] = ":".join(versions)


offer_pyenv_versions()


def install(session: nox.Session, group: str, *more: str) -> None:
    """The project itself and one of its dependency groups."""
    session.install("-e", ".", *nox.project.dependency_groups(PYPROJECT, group), *more)


# The tests of Proxy and of the runtime wait for sockets and processes longer than all others together. With every set
# of dependencies they run on the oldest Python, on the others with the newest httpx2 alone.
OF_PROCESSES = ["tests/proxy", "tests/runtime"]


def run_tests(session: nox.Session, *arguments: str, per_cpu: int = 2, env: dict[str, str] | None = None) -> None:
    """pytest, with more processes than CPUs: the tests mostly wait for sockets, other processes and deadlines.

    In a folder of its own with a short name: the path of a UNIX socket has 103 bytes at most.
    """
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        at_once = ["-n", str(per_cpu * (os.cpu_count() or 1)), f"--basetemp={folder}/t"]
        session.run("pytest", *at_once, *arguments, *session.posargs, env=env)


@nox.session(python=PYTHONS)
@nox.parametrize("dependencies", list(DEPENDENCIES))
def tests(session: nox.Session, dependencies: str) -> None:
    """The unit tests: every Python that is here, oldest and newest dependencies, httpx and httpx2."""
    install(session, "test", *DEPENDENCIES[dependencies])
    left_out = OF_PROCESSES if session.python != PYTHONS[0] and dependencies != "httpx2" else []
    if left_out:
        session.log("The tests of processes are left out: they run with these dependencies on Python %s.", PYTHONS[0])
    ignored = [f"--ignore-glob={path}" for path in ["tests/integration", *left_out]]
    run_tests(session, *ignored)


@nox.session
def integration(session: nox.Session) -> None:
    """Real peers: frameworks, uvicorn, awslambdaric under the official emulator, boto3, httpx's own tests."""
    install(session, "integration", "httpx2")
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration")}
    # Real peers start processes of their own, and some of them have deadlines that are not ours to choose.
    run_tests(session, "--dist=loadfile", "tests/integration", per_cpu=1, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Fix what can be fixed."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "check"))
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def check(session: nox.Session) -> None:
    """Style, types and import walls; writes nothing."""
    groups = nox.project.dependency_groups(PYPROJECT, "integration", "bench")
    install(session, "check", "httpx2", *groups)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pytest", "tests/test_walls.py", "tests/test_exports.py")


@nox.session
def coverage(session: nox.Session) -> None:
    """The unit tests again, with branch coverage of the package."""
    install(session, "coverage", "httpx2")
    session.run("coverage", "run", "-m", "pytest", "--ignore=tests/integration", *session.posargs)
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure against Mangum, the stock transport and a socket; asserts nothing."""
    install(session, "bench", "httpx2")
    env = {"BRIDGE_TEST_CACHE": str(Path(session.cache_dir) / "integration")}
    session.run("python", "benchmarks/run.py", *session.posargs, env=env)


@nox.session
def demo(session: nox.Session) -> None:
    """A sample application answers a real Lambda event of every source."""
    session.install("-e", ".", "-r", "sample_apps/hello/requirements.txt")
    session.run("python", "sample_apps/demo.py", *session.posargs)
