"""A real Chromium, driven with the W3C's WebDriver protocol, which is JSON over HTTP and needs no package.

https://www.w3.org/TR/webdriver2/
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

__all__ = ["Browser", "WebDriverError", "missing_browser", "open_browser"]

# Debian's names, and those of the distributions' other packages.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# The tests use this browser for loopback alone.
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # containers and root have none
    "--disable-dev-shm-usage",  # containers have little of it
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

# The key of an element in WebDriver's JSON. https://www.w3.org/TR/webdriver2/#elements
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

# Seconds for one command. A wait in the page ends earlier, so that the error names its condition.
_COMMAND_TIMEOUT = 40
_WAIT_TIMEOUT = 20

# Call back as soon as a condition holds. Every change of the document evaluates it.
_WAIT = """
const [condition, tellTest] = [new Function("return " + arguments[0]), arguments[1]];
if (condition()) { tellTest(); return; }
const observer = new MutationObserver(() => { if (condition()) { observer.disconnect(); tellTest(); } });
observer.observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
"""


class WebDriverError(Exception):
    """Raised when the browser reports an error."""


def missing_browser() -> str | None:
    """Return what is not installed here, as a reason to skip a test, or None."""
    if shutil.which("chromedriver") is None:
        return "There is no chromedriver here."
    return None if _browser() else "There is no Chromium here."


def _browser() -> str | None:
    return next((path for path in map(shutil.which, _BROWSERS) if path), None)


class Browser:
    """One window. All methods raise WebDriverError."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""

    def start(self, folder: Path) -> None:
        """Open the window. `folder`: an empty one, for the profile."""
        options = {"args": [*_ARGUMENTS, f"--user-data-dir={folder}"], "binary": _browser()}
        capabilities = {"goog:chromeOptions": options, "timeouts": {"script": _WAIT_TIMEOUT * 1000}}
        value = self._send("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/session/{value['sessionId']}"

    def close(self) -> None:
        if self._session:
            self._send("DELETE", self._session)

    def go_to(self, url: str) -> None:
        self._send("POST", f"{self._session}/url", {"url": url})

    def look_like(self, width: int, height: int, *, dark: bool = False) -> None:
        """Emulate the screen of another device, in CSS pixels: a window cannot be as narrow as a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._send_to_devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send_to_devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: object) -> Any:
        """Return the result of a JavaScript function with this body."""
        return self._send("POST", f"{self._session}/execute/sync", {"script": script, "args": arguments})

    def wait_until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true. It may depend on the document alone."""
        try:
            self._send("POST", f"{self._session}/execute/async", {"script": _WAIT, "args": [condition]})
        except WebDriverError as exc:
            text = self.run("return document.body.innerText")
            raise WebDriverError(f"Waited for {condition}, but the page says: {text!r}") from exc

    def click(self, selector: str) -> None:
        self._send("POST", f"{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._send("POST", f"{self._element(selector)}/value", {"text": text})

    def _send_to_devtools(self, command: str, params: dict[str, Any]) -> None:
        self._send("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": params})

    def _element(self, selector: str) -> str:
        found = self._send("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return f"{self._session}/element/{found[_ELEMENT]}"

    def _send(self, method: str, path: str, body: object = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_COMMAND_TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        if response.status != 200:
            raise WebDriverError(f"{method} {path}: {value['error']}: {value['message']}")
        return value


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start a browser and its chromedriver. `folder`: an empty one."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(
        ["chromedriver", "--port=0"],
        env=environ | {"HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    with process:
        try:
            browser = Browser(_port_of(process))
            try:
                browser.start(folder / "profile")
                yield browser
            finally:
                browser.close()
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # and to the browser, if it still runs


def _port_of(process: "subprocess.Popen[str]") -> int:
    """Return the port in the line that chromedriver writes when it listens."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        started = re.search(r"started successfully on port (\d+)", line)
        if started is not None:
            return int(started[1])
    raise WebDriverError(f"chromedriver ended immediately, and wrote: {''.join(lines)}")
