"""The compare page in a real browser: its tables sort, its videos play in sync, and it asks the network for nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from launcher.cli import main

APART_S = 0.1
TIMES = "[...document.querySelectorAll('video')].map((video) => video.currentTime)"
TOGETHER = f"Math.max(...{TIMES}) - Math.min(...{TIMES}) <= {APART_S}"
READY = "[...document.querySelectorAll('video')].every((video) => video.readyState >= 3 && !video.seeking)"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two small experiments."""
    path = Path(__file__).parents[1] / "launcher" / "compare" / "conftest.py"
    spec = importlib.util.spec_from_file_location("compare_experiments", path)
    assert spec is not None and spec.loader is not None
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # its dataclasses look themselves up
    spec.loader.exec_module(made)
    studio = made.make_studio(tmp_path_factory.mktemp("compare"))
    runs = [studio.experiment("first", (0, 1, 2)), studio.experiment("closer", (3, 4, 5), error=1.0)]
    out = studio.folder / "compare.html"
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["compare", *map(str, runs), "--html", str(out)]) == 0
    return Path(out)


@pytest.fixture
def page(chromium: Browser, page_file: Path) -> Iterator[Page]:
    """The page, opened; fails at the end where it asked for any address but its own."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page, asked = context.new_page(), list[str]()
    own = page_file.as_uri()
    context.route(lambda url: url != own and not url.startswith("data:"), lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.goto(own)
    page.wait_for_function(READY, timeout=60_000)
    yield page
    others = [url for url in asked if url != own and not url.startswith("data:")]
    context.close()
    assert others == []


def apart(page: Page) -> float:
    """How far the videos are from one another, seconds."""
    times = page.evaluate(TIMES)
    assert len(times) == 3  # the clip and two runs
    return max(times) - min(times)


def column(page: Page, table: str, index: int) -> list[str]:
    return page.eval_on_selector_all(
        f"[id='{table}'] tbody tr", f"rows => rows.map((row) => row.cells[{index}].firstChild.textContent)"
    )


def test_videos_play_pause_and_seek_together(page: Page) -> None:
    page.click(".play")
    page.wait_for_function(f"Math.min(...{TIMES}) > 0.2 && {TOGETHER}", timeout=60_000)
    page.click(".play")
    page.wait_for_function("[...document.querySelectorAll('video')].every((video) => video.paused)")
    page.wait_for_function(READY)
    assert apart(page) <= APART_S
    for thousandths in (800, 100):
        page.evaluate(
            "(value) => { const seek = document.querySelector('.seek'); seek.value = value;"
            " seek.dispatchEvent(new Event('input')); }", thousandths,
        )  # fmt: skip
        page.wait_for_function(READY)
        assert apart(page) <= APART_S
        assert page.evaluate(TIMES)[0] == pytest.approx(2.2 * thousandths / 1000, abs=0.15)
    cursor = page.get_attribute(".chart .cursor", "x1")
    assert cursor is not None and float(cursor) > 58  # the graphs follow


def test_a_video_that_got_out_of_step_comes_back(page: Page) -> None:
    page.select_option(".rate", "0.2")  # the clip takes 11 s: it is not to come round while this looks
    page.evaluate("document.querySelector('video').addEventListener('seeking', () => { window.sought = true; })")
    page.click(".play")
    page.wait_for_function(f"Math.min(...{TIMES}) > 0.05", timeout=60_000)
    late = page.evaluate(
        "() => { const all = document.querySelectorAll('video'); all[1].currentTime = all[0].currentTime + 0.4;"
        " return all[1].currentTime - all[0].currentTime; }"
    )
    assert late == pytest.approx(0.4, abs=0.05)
    page.wait_for_function(f"{TOGETHER} && {READY}", timeout=60_000)
    assert not page.evaluate("window.sought === true")


def test_videos_stay_together_when_they_come_round_again(page: Page) -> None:
    page.select_option(".rate", "0.5")
    assert page.evaluate("[...document.querySelectorAll('video')].map((video) => video.playbackRate)") == [0.5] * 3
    page.evaluate("document.querySelector('video').currentTime = 1.9")
    page.wait_for_function(READY)
    page.click(".play")
    page.wait_for_function("document.querySelector('video').currentTime < 1.5", timeout=60_000)
    page.wait_for_function(f"Math.min(...{TIMES}) > 0.15 && {TOGETHER}", timeout=60_000)
    assert page.evaluate("[...document.querySelectorAll('video')].every((video) => !video.paused)")


def test_a_click_on_a_heading_sorts(page: Page) -> None:
    table = "adapted_clip/segments"
    heading = page.locator(f"[id='{table}'] th").nth(2)
    before = [float(text) for text in column(page, table, 2)]
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(page, table, 2)] == sorted(before) != before
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(page, table, 2)] == sorted(before, reverse=True)
    page.locator(f"[id='{table}'] th").nth(1).locator("button").click()
    assert heading.get_attribute("aria-sort") == "none"
    names = column(page, table, 1)
    assert names == sorted(names)
    change = page.locator(f"[id='{table}'] th").last
    change.locator("button").click()  # the first run has no change against itself: those come last either way
    assert column(page, table, 8)[-2:] == ["-", "-"]
    change.locator("button").click()
    assert column(page, table, 8)[-2:] == ["-", "-"]


def test_the_blocked_network_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    """The count of requests is no empty promise: a page that asks for a font is counted."""
    (tmp_path / "page.html").write_text("<link rel=stylesheet href='https://example.invalid/font.css'>")
    context = chromium.new_context()
    page, asked = context.new_page(), list[str]()
    context.route("https://**", lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    context.close()
    assert "https://example.invalid/font.css" in asked
