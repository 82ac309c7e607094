"""What happens in the browser alone: hovering over a large picture, moving very many points."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.dashboard.browser import open_page, reader, settle
from benchmarks.dashboard.opening import READY
from benchmarks.measure import Line
from benchmarks.resilience.server import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

_FRAME = 1000 / 60
"""Milliseconds of a frame, 60 a second."""
_POINTS_READY = ".scatter[data-ready]"
_GRAPHICS = "() => document.createElement('canvas').getContext('webgl2')?.getParameter(7937)"
"""What draws; the number is that of RENDERER."""

# From the event, by the browser's clock of input, to the end of the frame in which it is shown: a
# message that is sent in a frame comes after it was painted.
_HOVER = """() => {
  window.limoeLensHover = [];
  const painted = () => new Promise((then) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = then;
    port2.postMessage(null);
  }));
  window.addEventListener("pointermove", async (event) => {
    await painted();
    window.limoeLensHover.push(performance.now() - event.timeStamp);
  });
}"""

# One event a frame: the map is moved in a circle, or brought nearer and back.
_MOVE = """(map, { frames, zoom }) => new Promise((done) => {
  const box = map.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const times = [];
  const next = () => {
    const turn = times.length / 20;
    const [clientX, clientY] = [x + 60 * Math.cos(turn), y + 60 * Math.sin(turn)];
    const at = { clientX, clientY, bubbles: true, cancelable: true };
    const mouse = { ...at, pointerId: 1, pointerType: "mouse" };
    if (!zoom) return new PointerEvent("pointermove", mouse);
    return new WheelEvent("wheel", { ...at, deltaY: times.length % 60 < 30 ? -20 : 20 });
  };
  const step = (now) => {
    times.push(now);
    map.dispatchEvent(next());
    if (times.length <= frames) requestAnimationFrame(step);
    else done(times.slice(1).map((time, n) => time - times[n]));
  };
  requestAnimationFrame(step);
})"""


def hover_lines(browser: Browser, folder: Path, moves: int, about: str) -> list[Line]:
    """How long after a move of the pointer its answer is painted, on patches and experts."""
    with tempfile.TemporaryDirectory() as logs, dashboard(folder, Path(logs) / "log") as server:
        with reader(browser) as page:
            open_page(page, server.address, READY)
            settle(page)
            page.evaluate(_HOVER)
            return [
                _hovered(page, "a patch", ".patch", moves, about),
                _hovered(page, "an expert of the legend", ".legend .chip", moves, about),
            ]


def _hovered(page: Page, what: str, selector: str, moves: int, about: str) -> Line:
    nodes = page.locator(selector)
    # Every seventh, so that each move leads to another one.
    boxes = [nodes.nth(7 * n % nodes.count()).bounding_box() for n in range(moves)]
    page.evaluate("() => void (window.limoeLensHover = [])")
    for box in filter(None, boxes):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(50)
    page.wait_for_function(f"() => window.limoeLensHover.length >= {moves}")
    found: list[float] = page.evaluate("() => window.limoeLensHover")
    slow = sorted(found)[int(0.95 * (len(found) - 1))]
    return Line(
        name=f"hover over {what}: from the move to the painted frame",
        value=statistics.median(found),
        unit="ms",
        goal=_FRAME,
        how=f"{about}; median of {len(found)} moves, 95 % within {slow:.3g} ms; half a frame of it "
        "is the wait for the next frame; headless Chromium paints without a graphics card",
    )


def points_lines(browser: Browser, folder: Path, frames: int, points: int) -> list[Line]:
    """Time between frames while the map of Embeddings is moved and zoomed, one event a frame."""
    with tempfile.TemporaryDirectory() as logs, dashboard(folder, Path(logs) / "log") as server:
        with reader(browser) as page:
            open_page(page, f"{server.address}/embeddings", _POINTS_READY)
            settle(page)
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            map_ = page.locator(".scatter .map")
            map_.scroll_into_view_if_needed()
            box = map_.bounding_box()
            assert box is not None
            found = []
            for what, zoom in (("moved", False), ("zoomed", True)):
                page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
                if not zoom:
                    page.mouse.down()
                before = _busy(session)
                gaps: list[float] = map_.evaluate(_MOVE, {"frames": frames, "zoom": zoom})
                busy = (_busy(session) - before) / len(gaps)
                if not zoom:
                    page.mouse.up()
                found.append(_frames(what, gaps, busy, points, page.evaluate(_GRAPHICS)))
            return [line for pair in found for line in pair]


def _frames(what: str, gaps: list[float], busy: float, points: int, graphics: Any) -> list[Line]:
    name = f"Embeddings, {points:,} points {what}"
    how = f"made-up points; {len(gaps)} frames, an event in each"
    return [
        Line(
            name=f"{name}: frames a second",
            value=1000 * len(gaps) / sum(gaps),
            unit="/s",
            how=f"{how}; drawn by {graphics}: where that is software, and not a graphics card, it "
            "says how fast the processor fills pixels; slowest frame "
            f"{max(gaps):.0f} ms",
        ),
        Line(
            name=f"{name}: main thread a frame",
            value=busy,
            unit="ms",
            goal=_FRAME,
            how=f"{how}; time of the page's main thread, scripts, layout and painting, which a "
            "graphics card does not shorten",
        ),
    ]


def _busy(session: CDPSession) -> float:
    """Milliseconds that the page's main thread has worked."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")
