// All tokens of a pair as small squares: the patches in their grid, the pieces below in a row.

const SMALL = 10; // side of a square in the drawing's own units
const MOST_WITH_NUMBERS = 8; // squares side by side that are wide enough for a number

// tokens: patches and pieces (lists of token numbers), all[t].at, data.grid, data.direction;
// look(t) -> { expert, colour, ink, pattern, dropped }. Returns the drawing and its mark for each token.
function miniature(tokens, look) {
  const { grid, direction } = tokens.data;
  const wide = Math.max(grid, 8);
  const rows = Math.ceil(tokens.pieces.length / wide);
  const top = tokens.patches.length ? grid * SMALL + 4 : 0;
  const view = `-1 -1 ${wide * SMALL + 2} ${top + rows * SMALL + 2}`;
  const drawing = svg("svg", { class: "small", viewBox: view, "aria-hidden": "true" });
  const marks = new Map();
  const place = (t, x, y) => {
    const seen = look(t);
    const mark = svg("rect", {
      x: x + 0.75, y: y + 0.75, width: SMALL - 1.5, height: SMALL - 1.5,
      fill: seen.dropped ? "none" : seen.colour,
      stroke: seen.colour,
      "stroke-width": 1.5,
      "stroke-dasharray": seen.dropped ? "2 1.5" : null,
    });
    marks.set(t, mark);
    drawing.append(mark);
    const sign = wide > MOST_WITH_NUMBERS ? patternMark(seen, x, y) : numberMark(seen, x, y);
    if (sign) drawing.append(sign);
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

function numberMark({ expert, ink, dropped }, x, y) {
  const size = [7, 6, 4.6][String(expert).length - 1];
  const at = { x: x + SMALL / 2, y: y + SMALL / 2 + 0.36 * size, "text-anchor": "middle" };
  return svg("text", { class: "sign", ...at, "font-size": size, fill: dropped ? "currentColor" : ink, text: expert });
}

// What Plotly's patterns of these names look like, in one square.
const SIGNS = {
  ".": "M5 3.6A1.4 1.4 0 1 1 4.99 3.6Z",
  "-": "M2.5 4.2H7.5V5.8H2.5Z",
  "|": "M4.2 2.5H5.8V7.5H4.2Z",
  x: "M2.6 3.6L3.6 2.6L7.4 6.4L6.4 7.4ZM6.4 2.6L7.4 3.6L3.6 7.4L2.6 6.4Z",
};

function patternMark({ pattern, ink, dropped }, x, y) {
  const d = SIGNS[pattern];
  const place = { transform: `translate(${x} ${y})`, fill: dropped ? "currentColor" : ink };
  return d ? svg("path", { class: "sign", d, ...place }) : null;
}
