// The text, piece by piece, coloured like the patches, in the direction in which it is read.

class Caption {
  constructor(root, tokens) {
    this.pieces = root.querySelector(".pieces");
    this.tokens = tokens;
    const { caption, direction, note } = tokens.data;
    const line = root.querySelector(".caption");
    line.textContent = caption || "No text: the picture was routed alone.";
    line.dir = caption ? direction : "ltr";
    line.hidden = tokens.pieces.length > 0;
    this.pieces.dir = direction;
    this.pieces.hidden = tokens.pieces.length === 0;
    this.pieces.setAttribute("aria-label", `Text, piece by piece: ${caption}`);
    root.querySelector(".note").textContent = note;
    root.querySelector(".note").hidden = !note;
    this.cells = new Map(tokens.pieces.map((t) => [t, this.piece(t)]));
    this.pieces.replaceChildren(...[...this.cells.values()].map((parts) => parts.node));
  }

  piece(t) {
    const { tokens } = this;
    const word = html("span", { class: tokens.isByte(t) ? "word byte" : "word", dir: "auto" });
    for (const part of tokens.all[t].piece.split(/(\u2581)/)) {
      if (part === SPACE) word.append(html("span", { class: "space", text: "␣" }));
      else if (part) word.append(part);
    }
    const label = html("span", { class: "expert", dir: "ltr", "aria-hidden": "true" });
    const other = tokens.all[t].m === TEXT ? "" : " other";
    const node = html("span", { class: `token piece${other}`, title: other && tokens.all[t].kind, role: "option", tabindex: "-1", "data-token": t }, word, " ", label);
    return { node, label };
  }

  paint(ui, look) {
    const { tokens } = this;
    const { data } = tokens;
    for (const [t, parts] of this.cells) {
      const chosen = tokens.chosen(ui.layer, t);
      const lost = tokens.dropped(ui.layer, t);
      const style = parts.node.style;
      style.setProperty("--colour", tokens.colour(ui.layer, t));
      style.setProperty("--second", tokens.colour(ui.layer, t, chosen.length > 1 ? 1 : 0));
      style.setProperty("--tint", `${100 * (lost ? 0.04 : tokens.tint(ui.layer, t, ui.opacity))}%`);
      const more = chosen.length > 2 ? " …" : "";
      parts.label.textContent = chosen.slice(0, 2).map((e) => data.experts[e].label).join(" ") + more;
      toggle(parts.node, "dropped", lost);
      look(parts.node, t);
    }
  }

  nodes() {
    return [...this.cells.values()].map((parts) => parts.node);
  }

  move(n, key) {
    const ahead = this.pieces.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = this.pieces.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const last = this.cells.size - 1;
    if (key === ahead || key === "ArrowDown") return Math.min(n + 1, last);
    if (key === back || key === "ArrowUp") return Math.max(n - 1, 0);
    if (key === "Home") return 0;
    if (key === "End") return last;
    return null;
  }
}
