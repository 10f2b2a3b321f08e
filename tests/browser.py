"""A headless Chromium, driven by the DevTools protocol over two pipes; no package besides the browser is needed.

Messages are JSON and end with a zero byte (https://chromedevtools.github.io/devtools-protocol/).
"""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
_PATIENCE = 120.0


class Tab:
    """One page of the browser; events: all that it reported, in order."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self.browser, self.session = browser, session
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.send(method, params, self)

    def open(self, path: Path) -> None:
        """Open a file and wait until it has loaded."""
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        self.browser.wait(lambda: any(one["method"] == "Page.loadEventFired" for one in self.events))

    def js(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited."""
        done = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript condition holds: a slow machine draws later, and a fixed delay would fail on it."""
        ends = time.monotonic() + _PATIENCE
        while not self.js(condition):
            assert time.monotonic() < ends, f"the page never came to: {condition}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key as a person does."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        shared = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": _KEYS[key]}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        self.send("Input.dispatchKeyEvent", type="keyUp", **shared)

    def show(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and the theme of the system."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        done = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(done["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])

    def complaints(self) -> list[str]:
        """Return what the console, the log and uncaught errors say."""
        told = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(one["params"])[:500] for one in self.events if one["method"] in told]

    def requests(self) -> list[str]:
        """Return what the page asked for besides itself and what it holds."""
        asked = [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]
        return [one for one in asked[1:] if not one.startswith("data:")]


class Browser:
    """A running Chromium, through the pipes that it reads from and writes to."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers = commands, answers
        self.number, self.held = 0, b""
        self.done: dict[int, dict[str, Any]] = {}
        self.tabs: dict[str, Tab] = {}

    def send(self, method: str, params: dict[str, Any], tab: Tab | None = None) -> dict[str, Any]:
        self.number += 1
        number, message = self.number, {"id": self.number, "method": method, "params": params}
        if tab is not None:
            self.tabs[tab.session] = tab
            message["sessionId"] = tab.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self.done)
        answer = self.done.pop(number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def wait(self, arrived: Any) -> None:
        """Read messages until a condition holds."""
        ends = time.monotonic() + _PATIENCE
        while not arrived():
            assert select.select([self.answers], [], [], max(0.0, ends - time.monotonic()))[0], "Chromium is silent"
            read = os.read(self.answers, 1 << 20)
            assert read, "Chromium has ended"
            *messages, self.held = (self.held + read).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.done[message["id"]] = message
                elif message.get("sessionId") in self.tabs:
                    self.tabs[message["sessionId"]].events.append(message)

    def tab(self) -> Tab:
        """Open an empty page."""
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        return Tab(self, session)


def dumped(page: str, folder: Path) -> tuple[str, str]:
    """Return a page as it is after its scripts ran, and what Chromium's console says; skips the test without one."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: nothing here to show the page")
    (folder / "page.html").write_text(page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=900,900", "--virtual-time-budget=8000"]
    options += ["--enable-logging=stderr", f"--user-data-dir={folder}", "--dump-dom"]
    command = [CHROMIUM, *options, (folder / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    return done.stdout, "\n".join(one for one in done.stderr.splitlines() if "CONSOLE" in one)


@contextmanager
def running_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with its files in an empty folder, and end it."""
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    flags = [f"--user-data-dir={folder}", "--headless=new", "--remote-debugging-pipe", "--no-first-run"]
    flags += ["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    script = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}'
    process = subprocess.Popen(
        ["bash", "-c", script, str(CHROMIUM), *flags],
        pass_fds=(read_commands, write_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        process.terminate()
        process.wait(timeout=_PATIENCE)
