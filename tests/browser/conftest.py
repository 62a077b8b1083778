"""The little city on a socket, and a real browser."""

import importlib.util
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from dongne.stores.attachments import AttachmentFolder
from dongne.web.server import Server

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("little_city", ROOT / "tests" / "web" / "little_city.py")
assert _spec is not None and _spec.loader is not None
little_city = sys.modules.setdefault("little_city", importlib.util.module_from_spec(_spec))
if not hasattr(little_city, "LittleCity"):
    _spec.loader.exec_module(little_city)


@pytest.fixture(scope="session")
def packages(need: Any) -> Path:
    """node_modules, with what the pages and these tests take from it."""
    folder = ROOT / "node_modules"
    need("browser", (folder / "axe-core" / "axe.min.js").exists(), "node_modules is not there; `npm ci` makes it")
    return folder


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("city") / "store"
    with little_city.open_little_city(folder, attachments=AttachmentFolder(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(city: Any) -> Iterator[str]:
    """Where the city is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(city.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    little_city.wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.stop()
    thread.join(timeout=10)


@pytest.fixture(
    scope="module"
)  # no longer: its event loop would still run under the tests that come after in this process
def chrome(chromium: str) -> Iterator[Browser]:
    # Without a GPU pages are drawn by the processor anyway: a GPU process that does it takes six times as long. Maps (WebGL) are SwiftShader's.
    flags = ["--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


class Window:
    """A browser window; `problems` are the console's errors and failed requests, `asked` all addresses it asked for."""

    def __init__(self, chrome: Browser, url: str, *, language: str = "ko", theme: str = "auto", **more: Any) -> None:
        more.setdefault("viewport", {"width": 1280, "height": 900})
        self.context = chrome.new_context(locale=language, base_url=url, **more)
        cookies = {"lang": language, "theme": theme}
        self.context.add_cookies([{"name": k, "value": v, "url": url} for k, v in cookies.items()])
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("request", lambda r: self.asked.append(r.url))

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def open_window(chrome: Browser, url: str) -> Iterator[Any]:
    """open_window(language=..., theme=..., and what a browser context takes)."""
    opened: list[Window] = []

    def make(**more: Any) -> Window:
        opened.append(Window(chrome, url, **more))
        return opened[-1]

    yield make
    for window in opened:
        window.close()


@pytest.fixture(scope="module")
def look(chrome: Browser, url: str) -> Iterator[Any]:
    """look(path, width, language=..., theme=...): a page in a window that stays open, for who only looks at one after the
    other. What all pages load is then loaded once."""
    opened: dict[tuple[str, ...], Window] = {}

    def at(path: str, width: int, **more: str) -> Window:
        key = tuple(sorted(more.items()))
        window = opened[key] = opened.get(key) or Window(chrome, url, **more)
        window.page.set_viewport_size({"width": width, "height": 900})
        window.problems.clear()
        window.page.goto(path, wait_until="load")
        return window

    yield at
    for window in opened.values():
        window.close()
