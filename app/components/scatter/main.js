// A map of points. Moving, hovering, colouring and circling happen here; a chosen point and a
// selection go to the server.

const maps = new WeakMap(); // by mount point: ScatterMap

const REACH = 12; // pixels within which a point is meant
const LASTS = 450; // milliseconds of a move from one step to another

class ScatterMap {
  constructor(root) {
    this.root = root;
    this.map = root.querySelector(".map");
    this.canvas = root.querySelector(".points");
    this.ended = new AbortController();
    this.legend = new Legend(root.querySelector(".legend"), () => this.fade());
    this.tip = new Tip(root.querySelector(".tip"));
    this.camera = new Camera(this.map);
    try {
      this.painter = new Painter(this.canvas);
    } catch {
      const canvas = this.canvas.cloneNode(); // one that was asked for WebGL gives nothing else
      this.canvas.replaceWith(canvas);
      this.canvas = canvas;
      this.painter = new FlatPainter(canvas);
    }
    const does = {
      move: (across, down) => {
        this.camera.moveBy(across, down);
        this.draw();
      },
      zoom: (factor, place) => this.zoom(factor, place),
      hover: (place) => this.point(place && this.near(place)),
      click: (place) => this.choose(this.near(place)),
      circle: (line) => this.circle(line),
    };
    this.gestures = new Gestures(this.map, root.querySelector(".lasso"), does, this.ended.signal);
    this.listen();
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.opened ||= this.state?.opened !== data.opened;
    this.state = data;
    this.refresh();
  }

  // With the points that the state speaks of; they may come before it or after.
  refresh() {
    const points = window.limoeLensPoints;
    if (points?.id !== this.state?.points) return;
    const changed = this.cloud?.id !== points.id;
    if (changed) this.load(new Cloud(points.bytes));
    if (this.opened || changed) this.colour(this.opened ? this.state.by : this.label.name);
    this.opened = false;
    this.fade();
  }

  load(cloud) {
    const before = this.cloud;
    const still = before?.fit === cloud.fit && before.points === cloud.points;
    if (before && before.fit !== cloud.fit) this.camera.whole();
    this.cloud = cloud;
    this.places = new Places(cloud.places);
    this.painter.load("before", still ? before.places : cloud.places);
    this.painter.load("after", cloud.places);
    this.painter.load("kind", cloud.textual.map((textual, point) => textual + 2 * cloud.own[point]));
    this.tip.load(cloud);
    this.focused = this.hovered = null;
    const select = this.root.querySelector('[data-part="by"]');
    select.replaceChildren(...cloud.labels.map(({ name }) => html("option", { value: name, text: name })));
    this.root.querySelector(".axis.x").textContent = `${cloud.axes[0]} →`;
    this.root.querySelector(".axis.y").textContent = `${cloud.axes[1]} ↑`;
    const [images, texts] = [0, 1].map((kind) => cloud.textual.reduce((sum, each) => sum + (each === kind), 0));
    this.map.setAttribute("aria-label", `Map of ${images} ${cloud.kinds[0][1]} and ${texts} ${cloud.kinds[1][1]}`);
    this.moved = 1;
    if (still && !window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.move();
    this.root.querySelector(".scatter").dataset.ready = cloud.id;
  }

  // From where the points were to where they are.
  move() {
    const start = performance.now();
    const step = (now) => {
      this.moved = Math.min(1, (now - start) / LASTS);
      this.draw();
      if (this.moved < 1 && !this.ended.signal.aborted) requestAnimationFrame(step);
    };
    this.moved = 0;
    requestAnimationFrame(step);
  }

  colour(name) {
    const place = this.cloud.label(name);
    this.label = this.cloud.labels[place];
    this.codes = this.cloud.codes[place];
    this.painter.load("code", this.codes);
    const part = (colour, at) => parseInt(colour.slice(at, at + 2), 16) / 255;
    this.colours = Array.from({ length: NONE + 1 }, (_, code) => {
      const colour = this.label.values[code]?.colour ?? "#8C8C8C";
      return [part(colour, 1), part(colour, 3), part(colour, 5)];
    });
    this.root.querySelector('[data-part="by"]').value = this.label.name;
    this.legend.show(this.label);
    this.fade();
  }

  // Points that are not of the slice, or not of the chosen value, are faint.
  fade() {
    const { selected } = this.state;
    const faint = new Uint8Array(this.cloud.points).fill(selected ? 1 : 0);
    for (const point of selected ?? []) faint[point] = 0;
    if (this.legend.chosen !== null) {
      for (let point = 0; point < faint.length; point++) {
        if (this.codes[point] !== this.legend.chosen) faint[point] = 1;
      }
    }
    this.faint = faint;
    this.painter.load("faint", faint);
    this.draw();
  }

  // ---- drawing

  draw() {
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.drawing = null;
    if (!this.cloud || this.ended.signal.aborted) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.map.clientWidth, this.map.clientHeight];
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const count = this.cloud.points;
    const size = (count > 50_000 ? 2.5 : count > 5_000 ? 4 : 8) * ratio * Math.min(2, Math.sqrt(this.camera.zoom));
    this.painter.draw({ ...this.camera.transform, moved: this.moved, size, colours: this.colours });
    this.mark();
  }

  // The rings alone: nothing else is drawn when the pointer goes from point to point.
  mark() {
    this.ring(".ring", this.cloud.ids.indexOf(this.state.chosen));
    this.ring(".mark", this.hovered ?? this.focused ?? -1);
  }

  ring(name, point) {
    const node = this.root.querySelector(name);
    node.style.visibility = point >= 0 ? "visible" : "hidden";
    if (point < 0) return;
    const [x, y] = this.camera.toScreen(this.cloud.at(point));
    node.setAttribute("cx", x);
    node.setAttribute("cy", y);
  }

  // ---- events

  listen() {
    const { signal } = this.ended;
    const on = (node, type, handler, more = {}) => node.addEventListener(type, handler, { signal, ...more });
    on(this.map, "keydown", (event) => this.key(event));
    on(this.map, "blur", () => this.focus(null));
    on(this.root.querySelector('[data-part="by"]'), "change", (event) => {
      this.colour(event.target.value);
      this.write();
    });
    on(this.root, "click", (event) => {
      const tool = event.target.closest("[data-tool].tool");
      const action = event.target.closest("[data-action]");
      if (tool) this.take(tool.dataset.tool);
      if (action) this.act(action.dataset.action);
    });
    on(this.root.querySelector(".tools"), "keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const tools = [...this.root.querySelectorAll(".tool")];
      const to = tools[(tools.indexOf(event.target) + step + tools.length) % tools.length];
      this.take(to.dataset.tool);
      rove(tools, tools.indexOf(to));
      event.preventDefault();
    });
    on(window, "limoe-lens-points", () => this.refresh());
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.map);
  }

  zoom(factor, place) {
    this.camera.zoomAt(factor, place);
    this.draw();
  }

  take(tool) {
    this.gestures.tool = this.map.dataset.tool = tool;
    for (const button of this.root.querySelectorAll(".tool")) {
      button.setAttribute("aria-checked", String(button.dataset.tool === tool));
      button.setAttribute("tabindex", button.dataset.tool === tool ? "0" : "-1");
    }
  }

  act(action) {
    const middle = this.camera.size.map((pixels) => pixels / 2);
    if (action === "in") this.zoom(1.5, middle);
    if (action === "out") this.zoom(1 / 1.5, middle);
    if (action === "whole") {
      this.camera.whole();
      this.draw();
    }
    if (action === "png") {
      this.drawNow(); // what was drawn is there only until the browser shows it
      savePng(this.canvas, this.label, this.state.file);
    }
  }

  // Points that are circled, and not faint.
  circle(line) {
    const within = this.places.within(line.map((place) => this.camera.toMap(place)));
    const points = within.filter((point) => !this.faint[point]);
    this.say(`${plural(points.length, "point")} selected`);
    if (points.length) this.send("select", points);
  }

  near(place) {
    if (!this.places) return null;
    return this.places.nearest(...this.camera.toMap(place), REACH / this.camera.side, this.faint);
  }

  point(point) {
    if (point === this.hovered) return;
    this.hovered = point;
    this.map.classList.toggle("on-point", point !== null);
    if (point === null) this.tip.hide();
    else this.tip.show(point, this.beside(point), this.map.clientWidth);
    this.mark();
  }

  // Where the point lies within the component.
  beside(point) {
    const [x, y] = this.camera.toScreen(this.cloud.at(point));
    return [x + this.map.offsetLeft, y + this.map.offsetTop];
  }

  focus(point) {
    this.focused = point;
    if (point === null) this.tip.hide();
    else {
      if (!this.camera.shows(this.cloud.at(point))) this.camera.centre = this.cloud.at(point);
      this.tip.show(point, this.beside(point), this.map.clientWidth);
      this.say([this.cloud.names[point], this.cloud.kind(point), ...this.cloud.facts(point)].join(", "));
    }
    this.draw();
  }

  choose(point) {
    if (point === null) return;
    this.state.chosen = this.cloud.ids[point];
    this.mark();
    this.send("pick", point);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const action = { "+": "in", "=": "in", "-": "out", 0: "whole" }[event.key];
    if (way) {
      const from = this.focused ?? this.places.nearest(...this.camera.centre, 1, this.faint);
      const to = this.focused === null ? from : this.places.towards(from, way, this.faint);
      if (to !== null) this.focus(to);
    } else if (action) this.act(action);
    else if (event.key === "Enter" || event.key === " ") this.choose(this.focused);
    else if (event.key === "Escape") {
      this.focus(null);
      this.state.chosen = "";
      this.send("pick", "none");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  write() {
    const url = new URL(window.location.href);
    for (const [name, value] of Object.entries(this.state.address)) url.searchParams.set(name, value);
    url.searchParams.set("by", this.label.name);
    if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
  }

  say(sentence) {
    this.root.querySelector(".live").textContent = sentence;
  }

  end() {
    this.ended.abort();
    this.sized.disconnect();
    this.tip.end();
    this.painter.end();
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!maps.has(root)) maps.set(root, new ScatterMap(root));
  maps.get(root).update(component);
  return () => {
    maps.get(root)?.end();
    maps.delete(root);
  };
}
