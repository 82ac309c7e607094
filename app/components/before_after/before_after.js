// A pair's tokens as squares with the number of their expert, before above after, for each layer.
// A token that is routed otherwise than before has a thick edge; the others are pale.

const UNIT = 10; // side of a square in the drawing's own units

const views = new WeakMap(); // by mount point: BeforeAfter

class BeforeAfter {
  constructor(root) {
    this.root = root;
    this.strip = root.querySelector(".strip");
    this.ended = new AbortController();
    this.strip.addEventListener("click", (event) => this.pick(event.target.closest("[data-token]")), { signal: this.ended.signal });
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    if (this.data?.id !== data.id) {
      this.data = data;
      this.draw();
    }
    this.mark(data.picked);
  }

  draw() {
    const { data } = this;
    this.root.querySelector(".key").textContent = data.key;
    this.marks = new Map(); // token -> its squares
    this.strip.replaceChildren(...data.layers.map((block, l) => this.layer(block, l)));
  }

  layer(block, l) {
    const { data } = this;
    const numbers = data.tokens.map((_, t) => t);
    const moved = numbers.filter((t) => data.moved[l][t]);
    const of = (m) => {
      const all = numbers.filter((t) => data.tokens[t].m === m);
      return all.length ? `${moved.filter((t) => data.tokens[t].m === m).length} of ${plural(all.length, m ? "piece" : "patch")}` : null;
    };
    const said = [of(0), of(1)].filter(Boolean).join(", ");
    return html(
      "section",
      { class: "layer" },
      html("h3", { text: `Block ${block}` }),
      html("span", { class: "when", text: "before" }),
      this.squares(l, data.before, `Block ${block} before`),
      html("span", { class: "when", text: "after" }),
      this.squares(l, data.after, `Block ${block} after: ${said} routed otherwise`),
      html("p", { class: "moved", text: `${said} moved` }),
    );
  }

  squares(l, state, label) {
    const { data } = this;
    const patches = data.tokens.filter((token) => token.m === 0).length;
    const wide = Math.max(data.columns, 8);
    const rows = patches ? Math.ceil(patches / data.columns) : 0;
    const pieces = data.tokens.length - patches;
    const top = rows ? rows * UNIT + 4 : 0;
    const high = top + Math.ceil(pieces / wide) * UNIT;
    const drawing = svg("svg", { class: "squares", viewBox: `-1 -1 ${wide * UNIT + 2} ${high + 2}`, role: "img", "aria-label": label });
    let piece = 0;
    data.tokens.forEach((token, t) => {
      const column = token.m === 0 ? token.at % data.columns : data.direction === "rtl" ? wide - 1 - (piece % wide) : piece % wide;
      const y = token.m === 0 ? Math.floor(token.at / data.columns) * UNIT : top + Math.floor(piece / wide) * UNIT;
      if (token.m === 1) piece += 1;
      const expert = data.experts[state.expert[l][t]];
      const lost = state.dropped[l][t];
      const moved = data.moved[l][t];
      const mark = svg("rect", {
        class: moved ? "moved" : "still", x: column * UNIT + 0.8, y: y + 0.8, width: UNIT - 1.6, height: UNIT - 1.6,
        fill: lost ? "none" : expert.colour, stroke: expert.colour, "stroke-width": 1, "stroke-dasharray": lost ? "2 1.5" : null,
        "data-token": t,
      });
      mark.append(svg("title", { text: `${data.names[t]}: ${expert.label}${lost ? ", dropped" : ""}` }));
      if (!this.marks.has(t)) this.marks.set(t, []);
      this.marks.get(t).push(mark);
      drawing.append(mark);
      if (wide <= 16) {
        const ink = lost || !moved ? "currentColor" : expert.ink; // a pale square is nearly the page
        drawing.append(svg("text", { x: (column + 0.5) * UNIT, y: y + UNIT / 2 + 0.3, "font-size": expert.number.length > 1 ? 4.4 : 5.4, fill: ink, text: expert.number, "aria-hidden": "true" }));
      }
    });
    return drawing;
  }

  mark(picked) {
    for (const [t, squares] of this.marks) for (const square of squares) toggle(square, "picked", t === picked);
    const name = this.data.names[picked];
    this.root.querySelector(".picked").textContent = name === undefined ? "" : `${name}: its routes are below.`;
  }

  pick(square) {
    if (!square) return;
    this.mark(Number(square.dataset.token));
    this.send("pick", Number(square.dataset.token));
  }

  end() {
    this.ended.abort();
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!views.has(root)) views.set(root, new BeforeAfter(root));
  views.get(root).update(component);
  return () => {
    views.get(root)?.end();
    views.delete(root);
  };
}
