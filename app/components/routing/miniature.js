// All tokens of a pair as small squares: the patches in their grids, the pieces below in rows.

const SMALL = 10; // side of a square in the drawing's own units
const MOST_WITH_NUMBERS = 8; // squares side by side that are wide enough for a number

// Where each token goes, in squares, and how many squares wide and high the whole is.
// tokens: patches and pieces (lists of token numbers), all[t].at and .p, pictures, data.direction.
function arrangement(tokens) {
  const { direction } = tokens.data;
  const wide = Math.max(8, ...tokens.pictures.map((picture) => picture.columns));
  const tops = [];
  let down = 0;
  for (const picture of tokens.pictures) {
    tops.push(down);
    down += picture.rows + 0.4;
  }
  const places = new Map();
  for (const t of tokens.patches) {
    const { at, p } = tokens.all[t];
    const { columns } = tokens.pictures[p];
    places.set(t, [at % columns, tops[p] + Math.floor(at / columns)]);
  }
  tokens.pieces.forEach((t, n) => {
    const column = direction === "rtl" ? wide - 1 - (n % wide) : n % wide;
    places.set(t, [column, down + Math.floor(n / wide)]);
  });
  return { places, wide, high: down + Math.ceil(tokens.pieces.length / wide) };
}

// look(t) -> { expert, colour, ink, pattern, dropped }. Returns the drawing and its mark for each token.
function miniature(tokens, look) {
  const { places, wide, high } = arrangement(tokens);
  const view = `-1 -1 ${wide * SMALL + 2} ${high * SMALL + 2}`;
  const drawing = svg("svg", { class: "small", viewBox: view, "aria-hidden": "true" });
  const marks = new Map();
  for (const [t, [column, row]] of places) {
    const [x, y] = [column * SMALL, row * SMALL];
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
  }
  return { drawing, marks };
}

// The same of so many tokens that single marks are not seen: a canvas, with no marks.
function painting(tokens, look) {
  const side = 4;
  const { places, wide, high } = arrangement(tokens);
  const drawing = html("canvas", { class: "small", width: wide * side, height: Math.ceil(high * side), "aria-hidden": "true" });
  const paint = drawing.getContext("2d");
  for (const [t, [column, row]] of places) {
    const { colour, dropped } = look(t);
    paint.fillStyle = colour;
    const [x, y] = [column * side, Math.round(row * side)];
    paint.fillRect(x, y, side - 1, dropped ? 1 : side - 1);
  }
  return { drawing, marks: new Map() };
}

function numberMark({ expert, ink, dropped }, x, y) {
  if (expert === null) return null;
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
