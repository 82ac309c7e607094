// One pair over training. The routing view on the page says which layer and token are shown.

const strips = new WeakMap(); // by mount point: Strip

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

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    const same = this.data?.id === data.id;
    if (data.current === this.picked) this.picked = null;
    this.data = data;
    if (!same) this.shown = null;
    const view = window.limoeLensView ?? { layer: data.layer, token: null };
    if (this.stages) this.show(view);
    else requestAnimationFrame(() => setTimeout(() => this.show(view))); // the routing view first
  }

  show(view) {
    // What was in view may be of another run, which has other layers.
    if (!this.data.layers.includes(view.layer)) view = { layer: this.data.layer, token: null };
    const l = this.data.layers.indexOf(view.layer);
    const key = JSON.stringify([view, this.data.id]);
    if (key === this.shown) {
      this.mark();
      return;
    }
    this.shown = key;
    const { data } = this;
    const keyOf = ({ p, at }) => (p < 0 ? `t${at}` : p ? `i${p + 1}.${at}` : `i${at}`);
    const named = (t) => keyOf(data.tokens[t]) === view.token;
    const numbers = data.tokens.map((_, t) => t);
    const tokens = {
      data,
      all: data.tokens,
      pictures: data.pictures,
      patches: numbers.filter((t) => data.tokens[t].p >= 0),
      pieces: numbers.filter((t) => data.tokens[t].p < 0),
    };
    this.root.querySelector(".heading").textContent = `This pair over training, block ${view.layer}`;
    this.stages = data.steps.map(({ step, expert, dropped, said }) => {
      const look = (t) => ({ ...(data.experts[expert[l][t]] ?? { colour: "#8C8C8C" }), expert: expert[l][t] < 0 ? null : expert[l][t], dropped: dropped[l][t] });
      const { drawing, marks } = miniature(tokens, look);
      for (const [t, mark] of marks) toggle(mark, "followed", named(t));
      const [image, text, drops, choices] = said[l];
      const lost = choices > data.tokens.length ? `${drops} of ${choices} choices dropped` : `${drops} dropped`;
      const name = `${step.toLocaleString("en")}: patches with ${plural(image, "expert")}, pieces with ${plural(text, "expert")}, ${lost}`;
      const shown = step.toLocaleString("en");
      const label = html("span", { class: "step", text: shown }, html("span", { class: "spoken", text: name.slice(shown.length) }));
      const attributes = { class: "stage", role: "option", "data-step": step, title: `Step ${name}` };
      return html("div", attributes, drawing, label);
    });
    const place = this.strip.scrollLeft;
    this.strip.replaceChildren(...this.stages);
    this.strip.scrollLeft = place;
    this.mark();
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
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!strips.has(root)) strips.set(root, new Strip(root));
  strips.get(root).update(component);
  return () => {
    strips.get(root)?.end();
    strips.delete(root);
  };
}
