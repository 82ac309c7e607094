// The experts of a layer: colour, name and token counts. Hover highlights, click pins.

class Legend {
  constructor(root, title, tokens) {
    this.tokens = tokens;
    this.title = title;
    this.chips = tokens.data.experts.map((expert, e) => {
      const counts = html("span", { class: "counts" });
      const bar = html("span", { class: "filled" });
      const load = html("span", { class: "load", "aria-hidden": "true" }, bar);
      const swatch = html("span", { class: "swatch", text: e, "aria-hidden": "true" });
      swatch.style.background = expert.colour;
      swatch.style.color = expert.ink;
      bar.style.background = expert.colour;
      const name = html("span", { class: "name", text: expert.label });
      const node = html(
        "button",
        { type: "button", class: "chip", "data-expert": e, "aria-pressed": "false", tabindex: e === 0 ? "0" : "-1" },
        swatch, name, counts, load, // the name is what is seen; the title describes it
      );
      return { node, counts, bar, load };
    });
    toggle(root, "many", this.chips.length > 12);
    root.replaceChildren(...this.chips.map((chip) => chip.node));
  }

  paint(ui) {
    const { tokens } = this;
    const { group, experts, names, counts } = tokens.data;
    const load = tokens.packs.get(ui.layer)?.load ?? [];
    const tally = this.tally(ui.layer);
    this.title.textContent = `Experts of ${names[ui.layer]}: patches + pieces of this pair sent to each`;
    this.chips.forEach((chip, e) => {
      const [patches, pieces] = tally[e];
      // Of very many experts those alone that this pair's tokens go to.
      chip.node.hidden = e >= counts[ui.layer] || (experts.length > 32 && patches + pieces === 0);
      chip.counts.textContent = `${patches} + ${pieces}`;
      const said = [`${experts[e].label}: ${plural(patches, "patch")} and ${plural(pieces, "piece")} of this pair`];
      const taken = load[e] ?? 0;
      const places = group.capacity;
      said.push(
        places === null
          ? `${taken.toLocaleString("en")} tokens of the whole routing group; no capacity limit`
          : `${taken.toLocaleString("en")} of ${places.toLocaleString("en")} slots filled by the whole routing group`,
      );
      chip.bar.style.width = `${Math.min(100, (100 * taken) / (places ?? Math.max(1, group.tokens)))}%`;
      chip.node.title = said.join("\n");
      chip.node.setAttribute("aria-pressed", String(ui.expert === e));
      toggle(chip.node, "unused", patches + pieces === 0);
    });
  }

  // Patches and pieces of the pair by expert, in one go over the tokens.
  tally(l) {
    const { tokens } = this;
    const found = this.chips.map(() => [0, 0]);
    tokens.all.forEach(({ m }, t) => {
      if (m <= TEXT) for (const e of tokens.chosen(l, t)) found[e][m] += 1;
    });
    return found;
  }

  lighten(lit) {
    this.chips.forEach((chip, e) => toggle(chip.node, "lit", lit === e));
  }

  nodes() {
    return this.chips.map((chip) => chip.node).filter((node) => !node.hidden);
  }

  move(n, key) {
    const last = this.nodes().length - 1;
    if (key === "ArrowRight" || key === "ArrowDown") return Math.min(n + 1, last);
    if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(n - 1, 0);
    if (key === "Home") return 0;
    if (key === "End") return last;
    return null;
  }
}
