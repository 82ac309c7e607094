// All tokens of a pair as small squares: the patches in their grid, the pieces below in a row.

const SMALL = 10; // side of a square in the drawing's own units

// tokens: patches and pieces (lists of token numbers), all[t].at, data.grid, data.direction;
// look(t) -> { colour, dropped }. Returns the drawing and its mark for each token.
function miniature(tokens, look) {
  const { grid, direction } = tokens.data;
  const wide = Math.max(grid, 8);
  const rows = Math.ceil(tokens.pieces.length / wide);
  const top = tokens.patches.length ? grid * SMALL + 4 : 0;
  const view = `-1 -1 ${wide * SMALL + 2} ${top + rows * SMALL + 2}`;
  const drawing = svg("svg", { class: "small", viewBox: view, "aria-hidden": "true" });
  const marks = new Map();
  const place = (t, x, y) => {
    const { colour, dropped } = look(t);
    const mark = svg("rect", {
      x: x + 0.75, y: y + 0.75, width: SMALL - 1.5, height: SMALL - 1.5,
      fill: dropped ? "none" : colour,
      stroke: colour,
      "stroke-width": 1.5,
      "stroke-dasharray": dropped ? "2 1.5" : null,
    });
    marks.set(t, mark);
    drawing.append(mark);
  };
  for (const t of tokens.patches) {
    const at = tokens.all[t].at;
    place(t, (at % grid) * SMALL, Math.floor(at / grid) * SMALL);
  }
  tokens.pieces.forEach((t, n) => {
    const column = direction === "rtl" ? wide - 1 - (n % wide) : n % wide;
    place(t, column * SMALL, top + Math.floor(n / wide) * SMALL);
  });
  return { drawing, marks };
}
