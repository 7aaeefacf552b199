"""The package as users deploy it: built, installed into a folder, and started in each way that Lambda has."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.double import RuntimeDouble
from tests.runtime.processes import Runtime

ROOT = Path(__file__).parents[2]

WRAPPER = "bridge/runtime/wrapper"

# The command that Lambda's managed Python runtimes start, or hand to a wrapper; the file need not exist for that.
BOOTSTRAP = [sys.executable, "/var/runtime/bootstrap.py"]

# Answers with where its parts come from.
APP = """
import json, os, sys
import bridge, helper

async def app(scope, receive, send):
    assert scope["type"] == "http"
    parts = [__file__, bridge.__file__, helper.__file__, sys.path, os.environ.get("PYTHONPATH")]
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": json.dumps(parts).encode()})
"""

MakeEvent = Callable[..., dict[str, Any]]
StartCommand = Callable[..., Runtime]


def run(*command: str | Path) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def build_wheel(folder: Path) -> None:
    """Build with uv if it is installed: an environment that uv has made has no pip."""
    if uv := shutil.which("uv"):
        run(uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    else:
        run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)


def install(wheel: Path, folder: Path) -> None:
    if uv := shutil.which("uv"):
        run(uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", folder, wheel)
    else:
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel)


@pytest.fixture(scope="module")
def time_limit() -> int:
    return 300


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build_wheel(folder)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def packages(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel installed into a folder whose name has a space. Its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed") / "the packages"
    install(wheel, folder)
    return folder


@pytest.fixture
def start(api: RuntimeDouble) -> Iterator[StartCommand]:
    """Start a command in a function's folder, with Lambda's variables."""
    started: list[Runtime] = []

    def start(command: Sequence[str | Path], task: Path, environ: Mapping[str, str]) -> Runtime:
        variables = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
        }
        started.append(Runtime([str(part) for part in command], task, {**variables, **environ}, ()))
        return started[-1]

    yield start
    for runtime in started:
        runtime.end()


def write_function(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APP)
    (folder / "helper.py").write_text("")
    return folder


@pytest.fixture(scope="module")
def function(packages: Path) -> Path:
    """Put everything into one folder, as in a zip file that becomes /var/task."""
    return write_function(packages)


def answer(api: RuntimeDouble, event: dict[str, Any]) -> tuple[list[str], list[str], str | None]:
    """The files of the function, of the package and of the function's helper; the path, and what children get of it."""
    app, bridge, helper, path, python_path = json.loads(api.invoke(event).answer().json["body"])
    return [app, bridge, helper], path, python_path


def check_end(runtime: Runtime) -> None:
    """Check that SIGTERM reaches Python itself, and not a shell."""
    runtime.terminate()
    assert (runtime.wait(), runtime.log) == (0, "")


def test_the_wheel_has_a_wrapper_that_all_users_can_execute(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        mode = archive.getinfo(WRAPPER).external_attr >> 16
        assert stat.S_IMODE(mode) & 0o111 == 0o111
        assert archive.read(WRAPPER) == (ROOT / WRAPPER).read_bytes()


@pytest.mark.parametrize("is_absolute", [True, False], ids=["absolute", "relative"])
def test_from_the_functions_own_folder_it_starts_the_runtime_in_place_of_lambdas(
    api: RuntimeDouble, start: StartCommand, function: Path, make_event: MakeEvent, is_absolute: bool
) -> None:
    wrapper = function / WRAPPER if is_absolute else Path(WRAPPER)
    runtime = start([wrapper, *BOOTSTRAP], function, {"_HANDLER": "app.app"})
    files, path, python_path = answer(api, make_event())
    assert files == [f"{function}/app.py", f"{function}/bridge/__init__.py", f"{function}/helper.py"]
    assert path[0] == str(function)
    assert path.count(str(function)) == 1
    assert python_path == f"{function}:{function}"
    check_end(runtime)


def test_from_a_layer_it_starts_the_function_elsewhere_whose_modules_come_first(
    api: RuntimeDouble, start: StartCommand, function: Path, make_event: MakeEvent, tmp_path: Path
) -> None:
    """A layer's packages are in the folder `python`; AWS's own runtime finds them after those of the function."""
    task = write_function(tmp_path / "task")
    layer = tmp_path / "opt/python"
    layer.parent.mkdir()
    layer.symlink_to(function, target_is_directory=True)
    environ = {"_HANDLER": "app.app", "PYTHONPATH": "/opt/more:/opt/other"}
    runtime = start([layer / WRAPPER, *BOOTSTRAP], task, environ)
    files, path, python_path = answer(api, make_event())
    assert files == [f"{task}/app.py", f"{layer}/bridge/__init__.py", f"{task}/helper.py"]
    assert path[:4] == [str(task), str(layer), "/opt/more", "/opt/other"]
    assert python_path == f"{task}:{layer}:/opt/more:/opt/other"
    check_end(runtime)


def test_what_lambdas_python_has_beside_its_own_library_is_found_at_last(
    api: RuntimeDouble, start: StartCommand, function: Path, make_event: MakeEvent, tmp_path: Path
) -> None:
    """As boto3 in some of them, in LAMBDA_RUNTIME_DIR."""
    runtime_dir = tmp_path / "var/runtime"
    runtime_dir.mkdir(parents=True)
    for name in ("sdk", "helper", "json"):
        (runtime_dir / f"{name}.py").write_text("")
    task = write_function(tmp_path / "task")
    (task / "app.py").write_text(f"import sdk\n{APP}")
    environ = {"_HANDLER": "app.app", "LAMBDA_RUNTIME_DIR": str(runtime_dir)}
    runtime = start([function / WRAPPER, *BOOTSTRAP], task, environ)
    files, path, _ = answer(api, make_event())
    assert files[2] == f"{task}/helper.py"
    assert path[-1] == str(runtime_dir)
    check_end(runtime)


def test_as_the_bootstrap_of_an_os_only_runtime(
    api: RuntimeDouble, start: StartCommand, function: Path, make_event: MakeEvent
) -> None:
    bootstrap = function / "bootstrap"
    bootstrap.write_text("#!/bin/sh\nexec python3 -m bridge.runtime\n")
    bootstrap.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    runtime = start([bootstrap], function, {"_HANDLER": "app.app", "PATH": path})
    files, _, python_path = answer(api, make_event())
    assert files == [f"{function}/app.py", f"{function}/bridge/__init__.py", f"{function}/helper.py"]
    assert python_path is None
    check_end(runtime)
