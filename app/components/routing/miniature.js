// All tokens of a pair as small squares: the patches in their grids, the pieces below in rows.

const SMALL = 10; // side of a square in the drawing's own units

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

// look(t) -> { colour, dropped }. Returns the drawing and its mark for each token.
function miniature(tokens, look) {
  const { places, wide, high } = arrangement(tokens);
  const view = `-1 -1 ${wide * SMALL + 2} ${high * SMALL + 2}`;
  const drawing = svg("svg", { class: "small", viewBox: view, "aria-hidden": "true" });
  const marks = new Map();
  for (const [t, [column, row]] of places) {
    const { colour, dropped } = look(t);
    const mark = svg("rect", {
      x: column * SMALL + 0.75, y: row * SMALL + 0.75, width: SMALL - 1.5, height: SMALL - 1.5,
      fill: dropped ? "none" : colour,
      stroke: colour,
      "stroke-width": 1.5,
      "stroke-dasharray": dropped ? "2 1.5" : null,
    });
    marks.set(t, mark);
    drawing.append(mark);
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
