// The picture as a grid of patches: tint by expert, opacity by gate, hatching where dropped.

const SIDE = 384; // of the picture, in the drawing's own units

// Height of a picture that is SIDE wide, in the drawing's own units.
function heightOf({ width, height }) {
  return (SIDE * height) / width;
}

// Where the parts of a patch lie in the drawing of its picture.
function patchPlaces(tokens, t) {
  const { at, p } = tokens.all[t];
  const picture = tokens.pictures[p];
  const [width, height] = [SIDE / picture.columns, heightOf(picture) / picture.rows];
  const cell = Math.min(width, height);
  const x = (at % picture.columns) * width;
  const y = Math.floor(at / picture.columns) * height;
  const line = Math.min(2.5, cell / 12);
  const [right, bottom, corner] = [x + width - line, y + height - line, Math.min(14, cell / 3)];
  const size = Math.min(16, cell * 0.45);
  const gap = Math.min(1, cell / 12);
  return {
    whole: { x: x + gap / 2, y: y + gap / 2, width: width - gap, height: height - gap },
    inner: { x: x + line - gap / 2, y: y + line - gap / 2, width: width - 2 * line + gap, height: height - 2 * line + gap },
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
    root.replaceChildren();
    if (!tokens.pictures.length) {
      root.append(html("p", { class: "absent", text: "No picture: the text was routed alone." }));
    }
    this.drawings = tokens.pictures.map((picture, p) => this.drawing(picture, p));
    root.append(...this.drawings.map((each) => each.node));
  }

  drawing(picture, p) {
    const { rows, columns, src } = picture;
    const high = heightOf(picture);
    const image = svg("image", { href: src, width: SIDE, height: high, preserveAspectRatio: "none" });
    const node = svg(
      "svg",
      { class: "grid", viewBox: `0 0 ${SIDE} ${high}`, role: "grid", "aria-label": `Picture of ${rows} by ${columns} patches` },
      hatchPattern(),
      svg("g", { role: "presentation" }, ...(src ? [image] : [])),
    );
    const lines = Array.from({ length: rows }, () => svg("g", { role: "row" }));
    for (const t of this.tokens.patches) {
      const { at, p: own } = this.tokens.all[t];
      if (own === p) lines[Math.floor(at / columns)].append(this.cell(t));
    }
    node.append(...lines);
    return { node, image, picture };
  }

  cell(t) {
    const { whole, inner, corner, number, line } = patchPlaces(this.tokens, t);
    // Of large pairs no more than what is seen at that size.
    const { large, choices } = this.tokens.data;
    const detailed = !large || this.tokens.patches.length <= 300;
    const parts = {
      tint: svg("rect", { class: "tint", ...whole }),
      hatch: detailed ? svg("rect", { class: "hatch", ...whole, fill: "url(#hatch)" }) : null,
      second: detailed && choices > 1 ? svg("path", { class: "second", d: corner, "stroke-width": 1.5 }) : null,
      edge: svg("rect", { class: "edge", ...inner, fill: "none", "stroke-width": line }),
      number: detailed ? svg("text", { class: "label", ...number, "aria-hidden": "true" }) : null,
    };
    parts.node = svg(
      "g",
      { class: "token patch", role: "gridcell", tabindex: "-1", "data-token": t },
      ...Object.values(parts).filter(Boolean),
    );
    this.cells.set(t, parts);
    return parts.node;
  }

  paint(ui, look) {
    const { tokens } = this;
    for (const { node, image, picture } of this.drawings) {
      const source = ui.coarse || !picture.sharp ? picture.src : picture.sharp;
      if (image.getAttribute("href") !== source) image.setAttribute("href", source);
      toggle(node, "coarse", source === picture.src);
    }
    for (const [t, parts] of this.cells) {
      const chosen = tokens.chosen(ui.layer, t);
      const lost = tokens.lost(ui.layer, t);
      const colour = tokens.colour(ui.layer, t);
      parts.tint.setAttribute("fill", colour);
      parts.tint.setAttribute("fill-opacity", lost ? 0.06 : tokens.tint(ui.layer, t, ui.opacity));
      parts.edge.setAttribute("stroke", colour);
      parts.edge.setAttribute("stroke-dasharray", lost ? "5 4" : "none");
      parts.hatch?.setAttribute("visibility", tokens.dropped(ui.layer, t) ? "visible" : "hidden");
      if (parts.second) {
        const other = tokens.colour(ui.layer, t, 1);
        parts.second.setAttribute("fill", tokens.lost(ui.layer, t, 1) ? "#FFFFFF" : other);
        parts.second.setAttribute("stroke", other);
        parts.second.setAttribute("visibility", chosen.length > 1 ? "inherit" : "hidden");
      }
      if (parts.number) parts.number.textContent = ui.numbers ? chosen[0] ?? "" : "";
      look(parts.node, t);
    }
  }

  nodes() {
    return [...this.cells.values()].map((parts) => parts.node);
  }

  // Where an arrow key leads from the n-th patch.
  move(n, key) {
    const { at, p } = this.tokens.all[this.tokens.patches[n]];
    const { rows, columns } = this.tokens.pictures[p];
    const [row, column] = [Math.floor(at / columns), at % columns];
    const last = this.cells.size - 1;
    if (key === "ArrowRight") return column < columns - 1 ? n + 1 : n;
    if (key === "ArrowLeft") return column > 0 ? n - 1 : n;
    if (key === "ArrowDown") return row < rows - 1 ? n + columns : Math.min(n + columns - column, last);
    if (key === "ArrowUp") return row > 0 ? n - columns : Math.max(n - column - 1, 0);
    if (key === "Home") return n - column;
    if (key === "End") return n - column + columns - 1;
    return null;
  }
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
