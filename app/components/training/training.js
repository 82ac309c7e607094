// One pair over training. The routing view on the page says which layer and token are shown.

const strips = new WeakMap(); // by mount point: Strip

// What became of the pair's tokens at each step, in the layers that were sent so far.
class Stages {
  static async of(data) {
    const [experts, picture, at] = await Promise.all([
      unpackedLooks(data.looks),
      unpacked(data.picture, Int16Array),
      unpacked(data.at, Uint32Array),
    ]);
    const stages = new Stages(data, experts, picture, at);
    await stages.add(data);
    return stages;
  }

  constructor(data, experts, picture, at) {
    this.data = data;
    this.experts = experts;
    this.count = at.length;
    this.layers = new Map(); // place of a layer -> its numbers at every step
    this.all = Array.from(at, (place, t) => ({ at: place, p: picture[t] }));
    const numbers = this.all.map((_, t) => t);
    this.pictures = data.pictures;
    this.patches = numbers.filter((t) => this.all[t].p >= 0);
    this.pieces = numbers.filter((t) => this.all[t].p < 0);
  }

  async add({ sent, expert, dropped, said, wide }) {
    const [experts, lost, counts] = await Promise.all([
      unpacked(expert, wide ? Uint16Array : Uint8Array),
      unpacked(dropped, Uint8Array),
      unpacked(said, Uint32Array),
    ]);
    const part = (array, size, s, n) => array.subarray((s * sent.length + n) * size, (s * sent.length + n + 1) * size);
    sent.forEach((l, n) => {
      const steps = this.data.steps.map((_, s) => ({
        expert: part(experts, this.count, s, n),
        dropped: part(lost, this.count, s, n),
        said: part(counts, 4, s, n),
      }));
      this.layers.set(l, steps);
    });
  }

  has(l) {
    return this.layers.has(l);
  }

  said(l, s) {
    return this.layers.get(l)[s].said;
  }

  // A picture of all tokens at a step; token: the one that is followed, as in the address bar.
  drawn(l, s, token) {
    const { expert, dropped } = this.layers.get(l)[s];
    const none = this.data.wide ? 65535 : 255;
    const look = (t) => {
      const chosen = expert[t] === none ? null : expert[t];
      return { ...(this.experts[chosen] ?? { colour: "#8C8C8C" }), expert: chosen, dropped: dropped[t] };
    };
    // Thousands of marks a step would take the browser seconds.
    const { drawing, marks } = (this.data.large ? painting : miniature)(this, look);
    const keyOf = ({ p, at }) => (p < 0 ? `t${at}` : p ? `i${p + 1}.${at}` : `i${at}`);
    for (const [t, mark] of marks) toggle(mark, "followed", keyOf(this.all[t]) === token);
    return drawing;
  }
}

class Strip {
  constructor(root) {
    this.root = root;
    this.strip = root.querySelector(".strip");
    this.ended = new AbortController();
    const { signal } = this.ended;
    this.strip.addEventListener("click", (event) => this.pick(event.target.closest(".stage")), { signal });
    this.strip.addEventListener("keydown", (event) => this.press(event), { signal });
    window.addEventListener("limoe-lens-view", (event) => this.show(event.detail), { signal });
  }

  // Called at each script run.
  listenTo({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.unlisten ??= listenTo(data.channel, (content) => this.update(content));
  }

  async update(data) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (this.data?.id !== data.id) {
      const parts = await Stages.of(data);
      if (turn !== this.turn || this.ended.signal.aborted) return; // something newer came meanwhile
      this.parts = parts;
      this.shown = null;
    } else if (!data.sent.every((l) => this.parts.has(l))) {
      await this.parts.add(data);
      if (turn !== this.turn || this.ended.signal.aborted) return;
    }
    if (data.current === this.picked) this.picked = null;
    this.data = data;
    const view = window.limoeLensView ?? { layer: data.layer, token: null };
    if (this.stages) this.show(view);
    else requestAnimationFrame(() => setTimeout(() => this.show(view))); // the routing view first
  }

  show(view) {
    if (!this.data) return;
    // What was in view may be of another run, which has other layers.
    if (!this.data.layers.includes(view.layer)) view = { layer: this.data.layer, token: null };
    const { data, parts } = this;
    const l = data.layers.indexOf(view.layer);
    if (!parts.has(l)) return; // it is on its way, with the routing view's
    const key = JSON.stringify([view, data.id]);
    if (key === this.shown) {
      this.mark();
      return;
    }
    this.shown = key;
    this.root.querySelector(".heading").textContent = `This pair over training, block ${view.layer}`;
    this.stages = data.steps.map((step, s) => this.stage(step, parts.drawn(l, s, view.token), parts.said(l, s)));
    const place = this.strip.scrollLeft;
    const first = !this.strip.childElementCount;
    this.strip.replaceChildren(...this.stages);
    this.strip.scrollLeft = place;
    this.mark();
    if (first) requestAnimationFrame(() => this.bring());
  }

  stage(step, drawing, [image, text, drops, choices]) {
    const lost = choices > this.parts.count ? `${drops} of ${choices} choices dropped` : `${drops} dropped`;
    const shown = step.toLocaleString("en");
    const name = `${shown}: patches with ${plural(image, "expert")}, pieces with ${plural(text, "expert")}, ${lost}`;
    const label = html("span", { class: "step", text: shown }, html("span", { class: "spoken", text: name.slice(shown.length) }));
    return html("div", { class: "stage", role: "option", "data-step": step, title: `Step ${name}` }, drawing, label);
  }

  mark() {
    for (const stage of this.stages ?? []) {
      const current = Number(stage.dataset.step) === this.data.current;
      stage.setAttribute("aria-selected", String(current));
      stage.setAttribute("tabindex", current ? "0" : "-1");
      stage.classList.toggle("waiting", Number(stage.dataset.step) === this.picked);
    }
    if (this.stages && !this.stages.some((stage) => stage.tabIndex === 0)) this.stages[0]?.setAttribute("tabindex", "0");
  }

  // The step in view comes into sight, once the page is laid out; only the strip moves.
  bring() {
    const stage = this.strip.querySelector('[aria-selected="true"]');
    if (stage) this.strip.scrollLeft = stage.offsetLeft - (this.strip.clientWidth - stage.offsetWidth) / 2;
  }

  pick(stage) {
    const step = Number(stage?.dataset.step);
    // What was picked last counts, even if the server has not answered yet.
    if (!stage || step === (this.picked ?? this.data.current)) return;
    // (Of a pick that leads back to what is shown, it may have nothing to tell.)
    const back = step === this.data.current;
    this.picked = back ? null : step;
    for (const each of this.stages) each.classList.toggle("waiting", each === stage && !back);
    this.send("pick", step);
  }

  press(event) {
    const n = this.stages.indexOf(event.target);
    if (n < 0) return;
    const last = this.stages.length - 1;
    const to = { ArrowRight: Math.min(n + 1, last), ArrowLeft: Math.max(n - 1, 0), Home: 0, End: last }[event.key];
    if (to !== undefined) rove(this.stages, to);
    else if (event.key === "Enter" || event.key === " ") this.pick(this.stages[n]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  end() {
    this.ended.abort();
    this.unlisten?.();
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!strips.has(root)) strips.set(root, new Strip(root));
  strips.get(root).listenTo(component);
  return () => {
    strips.get(root)?.end();
    strips.delete(root);
  };
}
