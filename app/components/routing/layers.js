// The layer switch, and the small multiples that show every layer at once.

class Layers {
  constructor(root, tokens) {
    this.tokens = tokens;
    const { layers, names } = tokens.data;
    this.buttons = layers.map((block, l) =>
      html("button", { type: "button", role: "radio", class: "layer", "data-layer": l, text: layers.length > 6 ? block : names[l], title: names[l], "aria-label": names[l] }),
    );
    const blocks = names.every((name, l) => name === `block ${layers[l]}`);
    const name = html("span", { class: "what", text: layers.length <= 6 ? "Layer" : blocks ? "Block" : "Router" });
    root.querySelector(".layers").replaceChildren(name, ...this.buttons);
    root.querySelector('[data-action="all"]').hidden = tokens.hasAll;
    this.multiples = tokens.hasAll ? layers.map((_, l) => this.multiple(names[l], l)) : [];
    root.querySelector(".multiples").replaceChildren(...this.multiples.map((each) => each.node));
  }

  multiple(block, l) {
    const { tokens } = this;
    const look = (t) => tokens.look(l, t);
    // Thousands of marks a layer would take the browser seconds; a canvas has none to light up.
    const { drawing, marks } = (tokens.data.large ? painting : miniature)(tokens, look);
    const said = [];
    if (tokens.patches.length) said.push(`patches: ${plural(tokens.used(l, tokens.patches), "expert")}`);
    if (tokens.pieces.length) said.push(`pieces: ${plural(tokens.used(l, tokens.pieces), "expert")}`);
    said.push(tokens.droppedOf(l, tokens.all.map((_, t) => t)));
    const node = html(
      "button",
      { type: "button", class: "multiple", "data-layer": l, tabindex: l === 0 ? "0" : "-1", "aria-label": `${block}: ${said.join(", ")}` },
      html("span", { class: "block", text: block }),
      drawing,
      html("span", { class: "said", text: said.join("\n") }),
    );
    return { node, marks };
  }

  paint(ui) {
    this.buttons.forEach((button, l) => {
      button.setAttribute("aria-checked", String(l === ui.layer));
      button.setAttribute("tabindex", l === ui.layer ? "0" : "-1");
    });
    this.multiples.forEach(({ node, marks }, l) => {
      toggle(node, "current", l === ui.layer);
      node.setAttribute("aria-pressed", String(l === ui.layer));
      for (const [t, mark] of marks) toggle(mark, "followed", t === ui.selected);
    });
  }

  // Experts of different layers are strangers: an expert lights up in its own layer only.
  lighten(ui, lit) {
    this.multiples.forEach(({ marks }, l) => {
      for (const [t, mark] of marks) {
        const dim = lit !== null && l === ui.layer && !this.tokens.uses(l, t, lit);
        toggle(mark, "dim", dim && t !== ui.selected);
      }
    });
  }

  nodes() {
    return this.multiples.map((each) => each.node);
  }

  move(n, key) {
    const last = this.multiples.length - 1;
    if (key === "ArrowRight" || key === "ArrowDown") return Math.min(n + 1, last);
    if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(n - 1, 0);
    if (key === "Home") return 0;
    if (key === "End") return last;
    return null;
  }
}
