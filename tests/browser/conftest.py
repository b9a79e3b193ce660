"""A real browser for the tests of the page: the system's Chromium, driven by playwright; without them, they skip."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from texup.gallery.content import Candidate, Exhibit, Page, Shown
from texup.gallery.picks import WISHES
from texup.gallery.site import Folder
from texup.pictures.sheets import encode_png

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def until(page: Any, condition: str) -> None:
    """Wait for a condition; playwright's own way is an eval, which the page forbids."""
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, with a profile of its own that is removed at the end."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Any]]:
    """Opens an index in a window of its own; at the end no error may have been told, and nothing else asked for."""
    contexts, told, asked = [], [], []

    def open_page(index: Path, width=1280, height=800, **more) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append((index, request.url)))
        page.goto(index.as_uri())
        until(page, "window.TEXUP_READY !== undefined")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []
    for index, url in asked:
        assert url.startswith((f"{index.parent.as_uri()}/", "data:", "blob:")), url


@pytest.fixture
def make_page(tmp_path) -> Callable[..., Path]:
    """Writes a page of exhibits whose pictures are drawn, and returns its index.

    The source has a red first column, the results have a green one, a blue one and so on.
    """

    def picture(site: Folder, k: int, n: int) -> Shown:
        pixels = np.full((4, 4, 3), 60 + 40 * k, np.uint8).repeat(4 if n else 1, 0).repeat(4 if n else 1, 1)
        pixels[..., n % 3] = 250
        url = site.put(f"{k:012d}{n:012d}.png", encode_png(pixels))
        return Shown(url=url, width=pixels.shape[1], height=pixels.shape[0])

    def make(paths, *, candidates=1, changes=None, **more) -> Path:
        site = Folder(tmp_path / "page", [])
        exhibits = []
        for k, path in enumerate(paths):
            source, *results = (picture(site, k % 4, n) for n in range(candidates + 1))
            facts = {
                "outcome": "upscaled",
                "kind": ("colour", "mask")[k % 2],
                "alpha": "none",
                "width": 4,
                "height": 4,
                "method": "net",
            }
            facts |= {"thumb": source.url, "source": source, "results": results, "change": float(k % 7)}
            facts["choices"] = [{"method": "nearest"}, {"blend": 0.3, "method": "net"}][:candidates]
            exhibits.append(Exhibit(path=path, **(facts | (changes or {}).get(k, {}))))
        labels = [Candidate(label=f"way {n + 1}") for n in range(candidates)]
        return site.finish(
            Page(
                title="pack_x4",
                about="pack",
                version="1",
                candidates=labels,
                exhibits=exhibits,
                wishes=WISHES,
                **more,
            )
        )

    return make
