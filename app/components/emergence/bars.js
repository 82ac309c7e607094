// The bars of one run: each expert's share of the image tokens (up) and of the text tokens (down).

const CHART = { height: 300, left: 52, right: 8, top: 10, names: 44 };
const FEW = 12; // experts whose roles have room under their names

class Bars {
  constructor(run, largest, width) {
    this.run = run;
    this.width = width;
    this.room = (CHART.height - CHART.top - CHART.names) / 2;
    this.scale = this.room / (1.05 * Math.max(largest, 0.05));
    this.zero = CHART.top + this.room;
    this.across = (width - CHART.left - CHART.right) / run.experts.length;
    this.drawing = svg("svg", {
      class: "chart", viewBox: `0 0 ${width} ${CHART.height}`, width, height: CHART.height,
      role: "group", "aria-label": `Token share per expert, ${run.name}`,
    });
    this.drawing.append(hatch(), ...this.axis(largest));
    this.experts = run.experts.map((expert, e) => this.expert(expert, e));
    this.drawing.append(...this.experts.map((parts) => parts.node));
  }

  axis(largest) {
    const step = [0.02, 0.05, 0.1, 0.2, 0.25, 0.5].find((s) => Math.max(largest, 0.05) / s <= 4.01) ?? 0.5;
    const lines = [];
    for (let k = -4; k <= 4; k++) {
      const y = this.zero - k * step * this.scale;
      if (y < CHART.top - 1 || y > this.zero + this.room + 1) continue;
      lines.push(svg("line", { class: k ? "scale" : "zero", x1: CHART.left, x2: this.width - CHART.right, y1: y, y2: y }));
      const share = `${Math.round(Math.abs(100 * k * step))}%`;
      lines.push(svg("text", { x: CHART.left - 6, y: y + 4, "text-anchor": "end", "font-size": 11, text: share }));
    }
    const turned = (y, text) => svg("text", { transform: `translate(12 ${y}) rotate(-90)`, "text-anchor": "middle", "font-size": 11, text });
    return [...lines, turned(CHART.top + this.room / 2, "image"), turned(this.zero + this.room / 2, "text")];
  }

  expert(expert, e) {
    const x = CHART.left + e * this.across;
    const bar = { x: x + 0.1 * this.across, width: 0.8 * this.across };
    const parts = {
      place: svg("rect", { class: "place", x: x + 1, width: Math.max(1, this.across - 2), y: CHART.top, height: 2 * this.room, fill: "transparent" }),
      image: svg("rect", { ...bar, fill: expert.colour }),
      text: svg("rect", { ...bar, fill: expert.colour }),
      lines: svg("rect", { ...bar, fill: "url(#hatch)" }),
      role: svg("text", { x: x + this.across / 2, y: CHART.height - 12, "text-anchor": "middle", "font-size": 10.5, "font-style": "italic" }),
    };
    const every = Math.ceil(26 / this.across); // room for names
    const name = svg("text", {
      x: x + this.across / 2, y: CHART.height - 28, "text-anchor": "middle", "font-size": 12, "font-weight": 600,
      text: e % every ? "" : expert.label,
    });
    parts.node = svg(
      "g",
      { class: "expert", role: "img", tabindex: e ? "-1" : "0", "data-expert": e },
      parts.place, parts.image, parts.text, parts.lines, name, parts.role,
    );
    return parts;
  }

  // Draws the run as it was at a step, or at its last probe before that.
  paint(step) {
    const { run } = this;
    this.at = Math.max(0, run.steps.findLastIndex((each) => each <= step));
    this.experts.forEach((parts, e) => {
      const up = run.image[this.at][e] * this.scale;
      const down = run.text[this.at][e] * this.scale;
      fill(parts.image, { y: this.zero - up, height: up }, []);
      for (const part of [parts.text, parts.lines]) fill(part, { y: this.zero, height: down }, []);
      parts.role.textContent = run.experts.length <= FEW ? short(run.roles[run.role[this.at][e]]) : "";
      parts.node.setAttribute("aria-label", this.said(e));
    });
  }

  said(e) {
    const { run, at } = this;
    const share = (modality) =>
      `${(100 * run[modality][at][e]).toFixed(1)} % of the ${modality} tokens (n = ${run.tokens[modality][at][e].toLocaleString("en")})`;
    return `${run.experts[e].label} at step ${run.steps[at].toLocaleString("en")}: ${share("image")}, ${share("text")}; role: ${run.roles[run.role[at][e]]}`;
  }
}

// "leaning image" has no room under a bar.
function short(role) {
  return role.replace("leaning ", "→ ");
}

function hatch() {
  const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg("defs", {}, svg("pattern", { id: "hatch", ...size }, svg("rect", { width: 2, height: 6, fill: "#FFFFFF", "fill-opacity": 0.75 })));
}
