"""The machine's kernel and root file system: Debian's own packages, and this project."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Image", "build", "install_debian_packages"]

_ROOT = Path(__file__).resolve().parents[2]

# The programs that are needed here, and the Debian packages that have them.
_PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "debootstrap": "debootstrap", "cpio": "cpio"}

_KERNEL = "linux-image-cloud-amd64"
_IN_THE_MACHINE = "python3,busybox"

# What bridge and the functions import. The newest Python here may be newer than the machine's, for which alone anyio
# needs the last one.
_PYTHON_PACKAGES = ("anyio", "httpx", "snapshot-restore-py", "starlette", "typing-extensions")

# Left out of the machine, whose file system is in its memory.
_LEFT_OUT = ("./boot", "./usr/share", "./var/cache", "./var/lib")

_INIT = """#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
busybox ip link set lo up
cd /opt
PYTHONPATH=/opt/packages:/opt PATH=/usr/bin:/usr/sbin exec python3 -m benchmarks.snapshot.guest
"""


class Image(NamedTuple):
    kernel: Path
    root: Path
    version: str


def install_debian_packages() -> None:
    """Install what is missing. Exits with a line that says what is needed if that is not possible here."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(
            "Expected to run as root on Debian, because debootstrap makes the machine's file system; the packages "
            f"{', '.join(_PROGRAMS.values())} are needed."
        )
    if missing:
        _run("apt-get", "update", "-q")
        _run("apt-get", "install", "-q", "-y", "--no-install-recommends", *missing)


def build(folder: Path) -> Image:
    """Make both in `folder`, where Debian's parts are kept for the next time."""
    system = folder / "system"
    if not system.exists():
        _bootstrap(system)
    _put_project(system)
    root = folder / "root.cpio"
    with root.open("wb") as file:
        prune = " -o ".join(f"-path {path}" for path in _LEFT_OUT)
        _run("sh", "-c", rf"find . \( {prune} \) -prune -o -print | cpio -o -H newc --quiet", cwd=system, stdout=file)
    kernel = _kernel(folder / "kernel")
    return Image(kernel, root, kernel.name.partition("-")[2])


def _bootstrap(system: Path) -> None:
    part = system.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    _run("debootstrap", "--variant=minbase", f"--include={_IN_THE_MACHINE}", suite, str(part))
    part.rename(system)


def _put_project(system: Path) -> None:
    init = system / "init"
    init.write_text(_INIT)
    init.chmod(0o755)
    project = system / "opt"
    shutil.rmtree(project)
    for name in ("bridge", "benchmarks", "tests"):
        shutil.copytree(_ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    packages = str(project / "packages")
    _run(sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", packages, *_PYTHON_PACKAGES)
    _run("chroot", str(system), "python3", "-m", "compileall", "-q", "/opt/bridge", "/opt/packages")


def _kernel(folder: Path) -> Path:
    """Return the kernel of Debian's package, which is unpacked and not installed."""
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        _run("apt-get", "update", "-q")
        depends = _output("apt-cache", "depends", "--important", _KERNEL).splitlines()
        package = next(line.split()[-1] for line in depends if "Depends:" in line)
        _run("apt-get", "download", "-q", package, cwd=part)
        (archive,) = part.glob("*.deb")
        _run("dpkg-deb", "-x", str(archive), str(part))
        part.rename(folder)
    (kernel,) = folder.glob("boot/vmlinuz-*")
    return kernel


def _run(*command: str, cwd: Path | None = None, stdout: object = sys.stderr) -> None:
    subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, check=True)  # type: ignore[call-overload]


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
