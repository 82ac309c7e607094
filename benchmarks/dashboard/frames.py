"""What happens in the browser alone: hovering over a large picture, moving very many points."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.dashboard.browser import open_page, reader, settle
from benchmarks.dashboard.opening import READY
from benchmarks.measure import Line
from benchmarks.resilience.server import dashboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

_FRAME = 1000 / 60
"""Milliseconds of a frame, 60 a second."""
_POINTS_READY = ".scatter[data-ready]"
#: What draws; the number is that of UNMASKED_RENDERER_WEBGL.
_GRAPHICS = """() => {
  const gl = document.createElement("canvas").getContext("webgl2");
  gl?.getExtension("WEBGL_debug_renderer_info");
  return gl?.getParameter(37446) ?? "a canvas without WebGL";
}"""

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

# Of those that lie within the window: a pointer cannot go elsewhere.
_CENTRES = """(nodes) => nodes
  .map((node) => node.getBoundingClientRect())
  .map((box) => [box.left + box.width / 2, box.top + box.height / 2])
  .filter(([x, y]) => x > 0 && y > 0 && x < innerWidth && y < innerHeight)"""

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
    nodes.first.scroll_into_view_if_needed()
    centres: list[list[float]] = nodes.evaluate_all(_CENTRES)
    page.evaluate("() => void (window.limoeLensHover = [])")
    for number in range(moves):
        x, y = centres[7 * number % len(centres)]  # so that each move leads to another one
        page.mouse.move(x, y)
        page.wait_for_timeout(50)
    page.wait_for_function("() => window.limoeLensHover.length > 0")
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
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
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


def _frames(what: str, gaps: list[float], busy: float, points: int, graphics: str) -> list[Line]:
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
            how=f"{how}; processor time of the page's main thread, for scripts and layout, which a "
            "graphics card does not shorten",
        ),
    ]


def _busy(session: CDPSession) -> float:
    """Milliseconds of a processor that the page's main thread has taken."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")
