// One slider and one play button for the bars of all runs. Nothing of this asks the server.

const players = new WeakMap(); // by mount point: Player
const PAUSE = 350; // milliseconds between two steps

class Player {
  constructor(root) {
    this.root = root;
    this.slider = root.querySelector(".slider");
    this.button = root.querySelector(".play");
    this.slider.addEventListener("input", () => {
      this.stop();
      this.go(Number(this.slider.value));
    });
    this.button.addEventListener("click", () => (this.timer ? this.stop() : this.play()));
    root.querySelector(".actions").addEventListener("click", (event) => this.save(event.target.dataset.action));
    const runs = root.querySelector(".runs");
    const tell = (event) => this.tell(event.target.closest(".expert"));
    for (const kind of ["pointerover", "focusin", "click"]) runs.addEventListener(kind, tell);
    runs.addEventListener("keydown", (event) => this.press(event));
    this.watch = new ResizeObserver(() => this.build());
    this.watch.observe(runs);
  }

  update({ data }) {
    const atEnd = !this.data || this.place === this.steps.length - 1;
    const step = this.steps?.[this.place];
    this.data = data;
    this.steps = [...new Set(data.runs.flatMap((run) => run.steps))].sort((a, b) => a - b);
    // Who looked at the last step follows the run; who looked at another one stays there.
    const before = this.steps.findLastIndex((each) => each <= step);
    this.place = atEnd || before < 0 ? this.steps.length - 1 : before;
    this.slider.max = String(this.steps.length - 1);
    this.wide = null;
    this.build();
  }

  build() {
    const runs = this.root.querySelector(".runs");
    if (!this.data || !runs.clientWidth || this.wide === runs.clientWidth) return;
    this.wide = runs.clientWidth;
    const beside = this.data.runs.length > 1 && this.wide > 740;
    const width = beside ? (this.wide - 19) / 2 : this.wide;
    this.charts = this.data.runs.map((run) => new Bars(run, this.data.largest, Math.max(300, width)));
    runs.replaceChildren(
      ...this.charts.map((chart) => {
        const title = html("p", { class: "heading", text: chart.run.name });
        title.hidden = this.data.runs.length < 2;
        chart.line = html("p", { class: "said", text: "Hover over a bar, or reach it with the arrow keys, for its numbers." });
        return html("div", { class: "run" }, title, chart.drawing, chart.line);
      }),
    );
    this.go(this.place);
  }

  go(place) {
    this.place = place;
    const step = this.steps[place];
    const said = `step ${step.toLocaleString("en")}`;
    this.slider.value = String(place);
    this.slider.setAttribute("aria-valuetext", said);
    this.root.querySelector(".now").textContent = said;
    for (const chart of this.charts ?? []) {
      chart.paint(step);
      if (chart.told !== undefined) chart.line.textContent = chart.said(chart.told);
    }
  }

  play() {
    if (this.place === this.steps.length - 1) this.go(0);
    this.button.textContent = "Pause";
    this.timer = setInterval(() => {
      this.go(this.place + 1);
      if (this.place === this.steps.length - 1) this.stop();
    }, PAUSE);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }

  tell(node) {
    const chart = this.charts?.find((each) => each.drawing.contains(node));
    if (!chart || !node) return;
    chart.told = Number(node.dataset.expert);
    chart.line.textContent = chart.said(chart.told);
  }

  press(event) {
    const chart = this.charts.find((each) => each.drawing.contains(event.target));
    const nodes = chart?.experts.map((parts) => parts.node) ?? [];
    const n = nodes.indexOf(event.target);
    const last = nodes.length - 1;
    const to = { ArrowRight: Math.min(n + 1, last), ArrowLeft: Math.max(n - 1, 0), Home: 0, End: last }[event.key];
    if (n < 0 || to === undefined) return;
    rove(nodes, to);
    event.preventDefault();
  }

  async save(kind) {
    if (!kind) return;
    const step = this.steps[this.place];
    const sheet = this.sheet(step);
    const name = `${this.charts.map((chart) => chart.run.file).join("-")}-step${step}`;
    if (kind === "svg") saveSvg(sheet, name);
    else await savePng(sheet, name);
  }

  // All charts one below the other on white paper.
  sheet(step) {
    const wide = Math.max(...this.charts.map((chart) => chart.width)) + 32;
    const tall = CHART.height + 30;
    const height = 50 + tall * this.charts.length;
    const sheet = svg("svg", { xmlns: SVG_NAMESPACE, width: wide, height, viewBox: `0 0 ${wide} ${height}`, "font-family": "sans-serif" });
    const rules = ".scale{stroke:#1B2430;stroke-opacity:.16}.zero{stroke:#1B2430}text{fill:#1B2430}";
    sheet.append(svg("style", { text: rules }), svg("rect", { width: wide, height, fill: "#FFFFFF" }));
    sheet.append(svg("text", { x: 16, y: 28, "font-size": 17, "font-weight": 600, text: `${this.data.title}, step ${step.toLocaleString("en")}` }));
    this.charts.forEach((chart, n) => {
      const copy = chart.drawing.cloneNode(true);
      fill(copy, { x: 16, y: 50 + tall * n + 18 }, []);
      sheet.append(svg("text", { x: 16, y: 50 + tall * n + 8, "font-size": 13, text: chart.run.name }), copy);
    });
    return sheet;
  }

  end() {
    this.stop();
    this.watch.disconnect();
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!players.has(root)) players.set(root, new Player(root));
  players.get(root).update(component);
  return () => {
    players.get(root)?.end();
    players.delete(root);
  };
}
