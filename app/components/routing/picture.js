// The picture as a grid of patches: tint by expert, opacity by gate, hatching where dropped.

const SIDE = 384; // of the picture, in the drawing's own units

// Where the parts of a patch lie in the drawing.
function patchPlaces(tokens, t) {
  const { grid } = tokens.data;
  const cell = SIDE / grid;
  const x = (tokens.all[t].at % grid) * cell;
  const y = Math.floor(tokens.all[t].at / grid) * cell;
  const line = Math.min(2.5, cell / 12);
  const [right, bottom, corner] = [x + cell - line, y + cell - line, Math.min(14, cell / 3)];
  const size = Math.min(16, cell * 0.45);
  return {
    whole: { x: x + 0.5, y: y + 0.5, width: cell - 1, height: cell - 1 },
    inner: { x: x + line - 0.5, y: y + line - 0.5, width: cell - 2 * line + 1, height: cell - 2 * line + 1 },
    corner: `M${right} ${bottom - corner}V${bottom}H${right - corner}Z`,
    number: { x: x + 2 * line, y: y + line + size * 0.95, "font-size": size },
    line,
  };
}

class Picture {
  constructor(root, tokens) {
    this.root = root;
    this.tokens = tokens;
    this.cells = new Map(); // token -> its parts
    const { picture, grid } = tokens.data;
    root.replaceChildren();
    if (!picture) {
      root.append(html("p", { class: "absent", text: "No picture: the text was routed alone." }));
      return;
    }
    this.image = svg("image", { href: picture.src, width: SIDE, height: SIDE, preserveAspectRatio: "none" });
    this.drawing = svg(
      "svg",
      { class: "grid", viewBox: `0 0 ${SIDE} ${SIDE}`, role: "grid", "aria-label": `Picture of ${grid} by ${grid} patches` },
      hatchPattern(),
      svg("g", { role: "presentation" }, this.image),
    );
    for (let row = 0; row < grid; row++) {
      const line = svg("g", { role: "row" });
      for (const t of tokens.patches.slice(row * grid, (row + 1) * grid)) line.append(this.cell(t));
      this.drawing.append(line);
    }
    root.append(this.drawing);
  }

  cell(t) {
    const { whole, inner, corner, number, line } = patchPlaces(this.tokens, t);
    const parts = {
      tint: svg("rect", { class: "tint", ...whole }),
      hatch: svg("rect", { class: "hatch", ...whole, fill: "url(#hatch)" }),
      second: svg("path", { class: "second", d: corner, "stroke-width": 1.5 }),
      edge: svg("rect", { class: "edge", ...inner, fill: "none", "stroke-width": line }),
      number: svg("text", { class: "label", ...number, "aria-hidden": "true" }),
    };
    parts.node = svg(
      "g",
      { class: "token patch", role: "gridcell", tabindex: "-1", "data-token": t },
      parts.tint, parts.hatch, parts.second, parts.edge, parts.number,
    );
    this.cells.set(t, parts);
    return parts.node;
  }

  paint(ui, look) {
    if (!this.drawing) return;
    const { tokens } = this;
    const { experts, picture } = tokens.data;
    const source = ui.coarse || !picture.sharp ? picture.src : picture.sharp;
    if (this.image.getAttribute("href") !== source) this.image.setAttribute("href", source);
    toggle(this.drawing, "coarse", source === picture.src);
    for (const [t, parts] of this.cells) {
      const chosen = tokens.data.expert[ui.layer][t];
      const gates = tokens.data.gate[ui.layer][t];
      const lost = tokens.data.dropped[ui.layer][t];
      const colour = experts[chosen[0]].colour;
      parts.tint.setAttribute("fill", colour);
      parts.tint.setAttribute("fill-opacity", lost[0] ? 0.06 : tint(gates[0], ui.opacity));
      parts.edge.setAttribute("stroke", colour);
      parts.edge.setAttribute("stroke-dasharray", lost[0] ? "5 4" : "none");
      parts.hatch.setAttribute("visibility", tokens.dropped(ui.layer, t) ? "visible" : "hidden");
      if (chosen.length > 1) {
        const other = experts[chosen[1]].colour;
        parts.second.setAttribute("fill", lost[1] ? "#FFFFFF" : other);
        parts.second.setAttribute("stroke", other);
      }
      parts.second.setAttribute("visibility", chosen.length > 1 ? "inherit" : "hidden");
      parts.number.textContent = ui.numbers ? chosen[0] : "";
      look(parts.node, t);
    }
  }

  nodes() {
    return [...this.cells.values()].map((parts) => parts.node);
  }

  // Where an arrow key leads from the n-th patch.
  move(n, key) {
    const grid = this.tokens.data.grid;
    const column = n % grid;
    if (key === "ArrowRight") return column < grid - 1 ? n + 1 : n;
    if (key === "ArrowLeft") return column > 0 ? n - 1 : n;
    if (key === "ArrowDown") return n + grid < grid * grid ? n + grid : n;
    if (key === "ArrowUp") return n >= grid ? n - grid : n;
    if (key === "Home") return n - column;
    if (key === "End") return n - column + grid - 1;
    return null;
  }
}

// How strongly a token is tinted: its gate value, or the same for all.
function tint(gate, byGate) {
  return byGate ? 0.08 + 0.5 * gate : 0.45;
}

// Lines dark and light, so that they show on any picture.
function hatchPattern() {
  const size = { width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg(
    "defs",
    {},
    svg(
      "pattern",
      { id: "hatch", ...size },
      svg("rect", { width: 2.2, height: 9, fill: "#14181f", "fill-opacity": 0.5 }),
      svg("rect", { x: 2.2, width: 1.6, height: 9, fill: "#FFFFFF", "fill-opacity": 0.75 }),
    ),
  );
}
