"""A Chromium without a window, driven through a pipe by its DevTools protocol: for tests of pages."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time

CHROMIUM = shutil.which("chromium")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

# The pipe is at descriptors 3 and 4 of the browser, whatever it is here.
START = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"  # noqa: E501


class Browser:
    """One process with one page at a time; `with Browser(folder) as browser`."""

    def __init__(self, folder, patience=60.0):
        self.patience, self.n_sent, self.events, self.rest = patience, 0, [], b""
        read, self.write = os.pipe()
        self.read, write = os.pipe()
        command = [sys.executable, "-c", START, str(read), str(write), str(CHROMIUM), *FLAGS]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        self.session = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        os.close(self.read)
        os.close(self.write)

    def call(self, method, **params):
        """What the browser answers; events on the way are kept."""
        self.n_sent += 1
        message = {"id": self.n_sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + self.patience
        while True:
            found = self._receive(until)
            if found.get("id") == message["id"]:
                assert "error" not in found, found["error"]
                return found["result"]
            self.events.append(found)

    def _receive(self, until):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read], [], [], max(until - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            more = os.read(self.read, 1 << 20)
            assert more, "the browser has gone"
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def open(self, url, width, height=900, dark=False):
        """A new page at `url`, of a size in pixels, when all of its figures are drawn."""
        self.session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        until = time.monotonic() + self.patience
        while self.evaluate("document.documentElement?.dataset.drawn") != "all":
            assert time.monotonic() < until, self.complaints()
            time.sleep(0.05)

    def evaluate(self, expression):
        """The value of a JavaScript expression on the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def requests(self):
        """Addresses that the page has asked for; pictures that it holds itself are none."""
        asked = [e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in asked]
        return [url for url in urls if not url.startswith("data:")]

    def complaints(self):
        """What went wrong on the page: exceptions, and all that was written to its console."""
        methods = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in methods]

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
