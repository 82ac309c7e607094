// A token's whole gate distribution p(e|x) as bars, one for each expert.

const CHART = { height: 74, top: 14, bottom: 14 };

function distribution(tokens, l, t, width) {
  const { experts } = tokens.data;
  const probs = tokens.scores(l, t);
  const chosen = tokens.chosen(l, t);
  const count = probs.length;
  const step = width / count;
  const room = CHART.height - CHART.top - CHART.bottom;
  const shown = probs.map((p, e) => [p, e]).filter(([p]) => count <= 32 || p >= 0.005);
  const said = shown.map(([p, e]) => `${experts[e].label} ${p.toFixed(2)}`).join(", ");
  const chart = svg("svg", {
    class: "chart",
    viewBox: `0 0 ${width} ${CHART.height}`,
    width,
    height: CHART.height,
    role: "img",
    "aria-label": `Gate distribution: ${said}`,
  });
  const base = CHART.height - CHART.bottom;
  const every = Math.ceil(16 / step); // room for the numbers under the bars
  probs.forEach((p, e) => {
    const rank = chosen.indexOf(e);
    const height = Math.max(1, p * room);
    const bar = { x: e * step + step * 0.12, y: base - height, width: step * 0.76, height };
    const full = rank >= 0 && tokens.lost(l, t, rank);
    chart.append(
      svg("rect", {
        ...bar,
        fill: full ? "none" : experts[e].colour,
        stroke: experts[e].colour,
        "stroke-dasharray": full ? "2 2" : null,
      }),
    );
    if (rank >= 0 && (count <= 32 || rank === 0)) {
      const middle = e * step + step / 2;
      const inside = Math.min(Math.max(middle, 12), width - 12);
      chart.append(
        svg("text", { class: "value", x: inside, y: base - height - 3, "text-anchor": "middle", text: p.toFixed(2) }),
      );
    }
    if (count <= 32 ? e % every === 0 || rank >= 0 : rank === 0) {
      const place = { x: e * step + step / 2, y: CHART.height - 3, "text-anchor": "middle" };
      chart.append(svg("text", { class: rank >= 0 ? "number chosen" : "number", ...place, text: e }));
    }
  });
  chart.append(svg("line", { class: "axis", x1: 0, x2: width, y1: base, y2: base }));
  return chart;
}
