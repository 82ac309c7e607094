// Details of a token: in the tip while hovering, and in the panel for the followed one.

class Detail {
  constructor(root, tokens) {
    this.tokens = tokens;
    this.panel = root.querySelector(".detail");
    this.tip = root.querySelector(".tip");
  }

  paint(ui) {
    this.panel.replaceChildren(...(ui.selected === null ? this.summary(ui) : this.followed(ui)));
  }

  // Nothing is followed: the layer in numbers, and how to go on.
  summary(ui) {
    const { tokens } = this;
    const { data } = tokens;
    const row = (name, list) => {
      if (!list.length) return null;
      const mean = (of) => {
        const known = list.map(of).filter((value) => value !== null);
        return known.length ? (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(2) : "–";
      };
      const values = [
        list.length, tokens.used(ui.layer, list), mean((t) => tokens.gate(ui.layer, t)),
        mean((t) => tokens.entropy(ui.layer, t)), tokens.drops(ui.layer, list),
      ];
      return html("tr", {}, html("th", { scope: "row", text: name }), ...values.map((v) => html("td", { text: v })));
    };
    const several = data.choices > 1; // of each token
    const head = [
      data.names[ui.layer], "tokens", "experts", several ? "mean gate, 1st choice" : "mean gate",
      "entropy (nats)", several ? "choices dropped" : "dropped",
    ];
    const of = (kind) => tokens.all.flatMap((token, t) => (token.kind === kind ? [t] : []));
    const rows = data.tokens.kinds.map((kind) => row(kind, of(kind))).filter(Boolean);
    const table = html(
      "table",
      { class: "numbers" },
      html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col", text })))),
      html("tbody", {}, ...rows),
    );
    const hint = "Hover over a token for its gate distribution. Click one to follow it through all layers.";
    const keys = "Keys: arrows to move, Enter to follow a token, Esc to deselect, 1–9 to switch layers.";
    return [table, html("p", { class: "hint", text: hint }), html("p", { class: "hint keys", text: keys })];
  }

  followed(ui) {
    const { tokens } = this;
    const { data } = tokens;
    const t = ui.selected;
    const close = html("button", { type: "button", class: "action", "data-action": "release", text: "Deselect", title: "Esc" });
    const heading = html("div", { class: "who" }, tokens.title(t), close);
    const path = html("div", { class: "path", role: "group", "aria-label": "This token's experts, layer by layer" });
    data.layers.forEach((block, l) => {
      const chip = html(
        "button",
        { type: "button", class: "hop", "data-layer": l, title: tokens.fate(l, t) },
        html("span", { class: "block", text: data.large ? block : data.names[l] }),
        ...this.choices(l, t),
      );
      toggle(chip, "current", l === ui.layer);
      if (l) path.append(html("span", { class: "arrow", text: "→", "aria-hidden": "true" }));
      path.append(chip);
    });
    const e = tokens.first(ui.layer, t);
    const { patches, pieces } = tokens.counts(ui.layer, e);
    const shared = e === null
      ? `The router of ${data.names[ui.layer]} chose no expert for this token.`
      : `In ${data.names[ui.layer]}, ${data.experts[e].label} gets ${plural(patches, "patch")} and ${plural(pieces, "piece")} of this pair${tokens.all[t].m > TEXT ? "" : ", this token included"}.`;
    const width = Math.max(220, Math.min(520, this.panel.clientWidth - 4 || 420));
    return [
      heading,
      path,
      html("p", { class: "hint", text: this.line(ui.layer, t) }),
      distribution(tokens, ui.layer, t, width),
      html("p", { class: "hint", text: shared }),
    ];
  }

  // The token's choices in a layer: each expert, and its gate unless it was full.
  choices(l, t) {
    const { tokens } = this;
    const chosen = tokens.chosen(l, t);
    if (!chosen.length) return [html("span", { class: "choice" }, html("span", { class: "where", text: "–" }))];
    return chosen.slice(0, 2).map((e, k) => {
      const { label, colour, ink } = tokens.data.experts[e];
      const where = html("span", { class: "where", text: label });
      where.style.background = colour;
      where.style.color = ink;
      const lost = tokens.lost(l, t, k);
      const value = html("span", { class: "gate", text: lost ? "dropped" : tokens.gate(l, t, k)?.toFixed(2) ?? "" });
      toggle(value, "lost", lost);
      return html("span", { class: "choice" }, where, value);
    });
  }

  line(l, t) {
    const entropy = this.tokens.entropy(l, t);
    return `${this.tokens.fate(l, t)}.${entropy === null ? "" : ` Entropy ${entropy.toFixed(2)} nats.`}`;
  }

  showTip(ui, t, anchor) {
    const { tip, tokens } = this;
    tip.replaceChildren(
      tokens.title(t),
      html("span", { class: "line", text: this.line(ui.layer, t) }),
      distribution(tokens, ui.layer, t, 236),
    );
    tip.hidden = false;
    const box = anchor.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const right = box.right + 10 + own.width < window.innerWidth;
    const left = right ? box.right + 10 : Math.max(6, box.left - own.width - 10);
    const top = Math.min(Math.max(6, box.top - 20), window.innerHeight - own.height - 6);
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(6, top)}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }
}
