// What pointers do on the map: one moves it or draws a line, two zoom, a short touch chooses.

const SHORT = 5; // pixels

class Gestures {
  // does: move(across, down), zoom(factor, place), hover(place or null), click(place) and
  // circle(line), all in pixels from the upper left corner of the map.
  constructor(node, outline, does, signal) {
    Object.assign(this, { node, outline, does, tool: "move" });
    this.pointers = new Map(); // id: place
    const on = (type, handler, more) => node.addEventListener(type, handler, { signal, ...more });
    on("pointerdown", (event) => this.press(event));
    on("pointermove", (event) => this.drag(event));
    on("pointerup", (event) => this.release(event));
    on("pointercancel", (event) => this.cancel(event));
    on("pointerleave", () => does.hover(null));
    on("wheel", (event) => this.wheel(event), { passive: false });
  }

  place(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    event.preventDefault();
    const turned = Math.max(-200, Math.min(200, event.deltaY));
    this.does.zoom(Math.exp(-turned / 400), this.place(event));
  }

  press(event) {
    const place = this.place(event);
    this.node.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, place);
    this.does.hover(null);
    if (this.pointers.size > 1) {
      this.line = this.start = null; // two fingers zoom, whatever one was about to do
      return;
    }
    this.start = place;
    const box = event.shiftKey || this.tool === "box";
    if (box || this.tool === "lasso") this.line = { box, places: [place] };
  }

  drag(event) {
    const place = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.does.hover(place);
      return;
    }
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]);
      this.does.zoom(apart(place) / Math.max(1, apart(before)), other);
    } else if (this.line) {
      const { line, start } = this;
      if (line.box) line.places = [start, [place[0], start[1]], place, [start[0], place[1]]];
      else line.places.push(place);
      this.outline.setAttribute("points", line.places.map((each) => each.join(",")).join(" "));
    } else if (this.start) {
      this.node.classList.add("moving");
      this.does.move(place[0] - before[0], place[1] - before[1]);
    }
    this.pointers.set(event.pointerId, place);
  }

  release(event) {
    const place = this.place(event);
    const { start, line } = this;
    this.cancel(event);
    if (!start) return;
    if (Math.hypot(place[0] - start[0], place[1] - start[1]) < SHORT) this.does.click(place);
    else if (line) this.does.circle(line.places);
  }

  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.node.classList.remove("moving");
    this.outline.removeAttribute("points");
    if (!this.pointers.size) this.start = this.line = null;
  }
}
