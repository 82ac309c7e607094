// The view as a file: an SVG drawn from the data, or a PNG made from that SVG.

const SHEET = { width: 1040, margin: 24, picture: 440, gap: 28, font: "Source Sans Pro, Segoe UI, Noto Sans, sans-serif" };

function measure(text, size, weight = 400) {
  measure.context ??= document.createElement("canvas").getContext("2d");
  measure.context.font = `${weight} ${size}px ${SHEET.font}`;
  return measure.context.measureText(text).width;
}

function write(text, x, y, size, more = {}) {
  return svg("text", { x, y, "font-size": size, fill: "#1B2430", text, ...more });
}

// Texts broken into lines no wider than `width`.
function broken(text, size, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (measure(longer, size) > width && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

function drawPicture(tokens, ui, x, y) {
  const group = svg("g", { transform: `translate(${x} ${y}) scale(${SHEET.picture / SIDE})` });
  let down = 0;
  tokens.pictures.forEach((picture, p) => {
    const part = svg("g", { transform: `translate(0 ${down})` });
    drawPatches(tokens, ui, picture, p, part);
    group.append(part);
    down += heightOf(picture) + 10;
  });
  return { group, height: (down * SHEET.picture) / SIDE };
}

function drawPatches(tokens, ui, picture, p, group) {
  const { data } = tokens;
  const href = ui.coarse || !picture.sharp ? picture.src : picture.sharp;
  const style = href === picture.src ? "image-rendering:pixelated" : null;
  const place = { width: SIDE, height: heightOf(picture), preserveAspectRatio: "none" };
  if (href) group.append(svg("image", { href, ...place, style }));
  for (const t of tokens.patches.filter((each) => tokens.all[each].p === p)) {
    const { whole, inner, corner, number, line } = patchPlaces(tokens, t);
    const [e, other] = tokens.chosen(ui.layer, t);
    const lost = [0, 1].map((k) => tokens.lost(ui.layer, t, k));
    const colour = tokens.colour(ui.layer, t);
    const opacity = lost[0] ? 0.06 : tokens.tint(ui.layer, t, ui.opacity);
    group.append(svg("rect", { ...whole, fill: colour, "fill-opacity": opacity }));
    if (tokens.dropped(ui.layer, t)) group.append(svg("rect", { ...whole, fill: "url(#hatch)" }));
    if (other !== undefined) {
      const second = data.experts[other].colour;
      group.append(svg("path", { d: corner, fill: lost[1] ? "#FFFFFF" : second, stroke: second }));
    }
    const followed = t === ui.selected;
    const stroke = followed ? "#14181f" : colour;
    const dashes = lost[0] ? "5 4" : null;
    group.append(
      svg("rect", { ...inner, fill: "none", stroke, "stroke-width": followed ? 2 * line : line, "stroke-dasharray": dashes }),
    );
    if (ui.numbers && e !== undefined) {
      const halo = { "paint-order": "stroke", stroke: "#FFFFFF", "stroke-width": 4, "font-weight": 700 };
      group.append(svg("text", { ...number, ...halo, fill: "#14181f", text: e }));
    }
  }
}

// Pieces in lines, from the right for scripts read so. Returns the drawing and the height it took.
function drawPieces(tokens, ui, x, y, width) {
  const { data } = tokens;
  const group = svg("g");
  const rtl = data.direction === "rtl";
  let [along, down] = [0, 0];
  for (const t of tokens.pieces) {
    const shown = tokens.shown(t);
    const wide = Math.max(measure(shown, 22) + 14, 30);
    if (along + wide > width && along) [along, down] = [0, down + 62];
    const left = rtl ? x + width - along - wide : x + along;
    const colour = tokens.colour(ui.layer, t);
    const lost = tokens.dropped(ui.layer, t);
    const box = { x: left, y: y + down, width: wide, height: 34, rx: 4 };
    group.append(
      svg("rect", { ...box, fill: colour, "fill-opacity": lost ? 0.04 : tokens.tint(ui.layer, t, ui.opacity), stroke: t === ui.selected ? "#14181f" : colour, "stroke-width": t === ui.selected ? 3 : 1.5, "stroke-dasharray": lost ? "5 4" : null }),
    );
    if (lost) group.append(svg("rect", { ...box, fill: "url(#hatch)" }));
    const middle = { "text-anchor": "middle" };
    // The mark of a word's start stands where the word starts, which may be on its right.
    const way = rtl && !tokens.isByte(t) ? "rtl" : null;
    group.append(write(shown, left + wide / 2, y + down + 24, 22, { ...middle, direction: way, "paint-order": "stroke", stroke: "#FFFFFF", "stroke-width": 3 }));
    const names = tokens.chosen(ui.layer, t).slice(0, 2).map((e) => data.experts[e].label);
    group.append(write(names.join(" "), left + wide / 2, y + down + 50, 13, { ...middle, fill: "#4A5563" }));
    along += wide + 6;
  }
  return { group, height: tokens.pieces.length ? down + 62 : 0 };
}

function drawLegend(tokens, ui, x, y, width) {
  const group = svg("g");
  let [along, down] = [0, 0];
  tokens.data.experts.forEach((expert, e) => {
    const { patches, pieces } = tokens.counts(ui.layer, e);
    if (patches + pieces === 0) return;
    const said = `${expert.label}: ${plural(patches, "patch")}, ${plural(pieces, "piece")}`;
    const wide = measure(said, 14) + 44;
    if (along + wide > width && along) [along, down] = [0, down + 26];
    group.append(svg("rect", { x: x + along, y: y + down, width: 18, height: 18, rx: 3, fill: expert.colour }));
    group.append(write(said, x + along + 24, y + down + 14, 14));
    along += wide;
  });
  return { group, height: down + 26 };
}

function drawSheet(tokens, ui) {
  const { data } = tokens;
  const { margin, width, gap } = SHEET;
  const sheet = svg("svg", { xmlns: SVG_NAMESPACE, "font-family": SHEET.font }, hatchPattern());
  const paper = svg("rect", { fill: "#FFFFFF" });
  sheet.append(paper);
  sheet.append(write(`${data.title}, ${data.names[ui.layer]}`, margin, margin + 18, 20, { "font-weight": 650 }));
  const named = [`${data.name ? `${data.name}: ` : ""}“${data.caption || "no text"}”`];
  let below = margin + 42;
  for (const line of named.flatMap((text) => broken(text, 15, width - 2 * margin)).slice(0, 3)) {
    sheet.append(write(line, margin, below, 15, { fill: "#4A5563" }));
    below += 20;
  }
  const top = below + 2;
  const left = tokens.pictures.length ? margin + SHEET.picture + gap : margin;
  const room = width - margin - left;
  const picture = drawPicture(tokens, ui, margin, top);
  sheet.append(picture.group);
  const pieces = drawPieces(tokens, ui, left, top, room);
  const legend = drawLegend(tokens, ui, left, top + pieces.height + 8, room);
  sheet.append(pieces.group, legend.group);
  let bottom = Math.max(top + picture.height, top + pieces.height + 8 + legend.height) + 26;
  const note = `Colour: expert of the token. Opacity: ${ui.opacity ? "gate value" : "fixed"}. Hatched: dropped. ${data.group.sentence}`;
  for (const line of broken(note, 13, width - 2 * margin)) {
    sheet.append(write(line, margin, bottom, 13, { fill: "#4A5563" }));
    bottom += 18;
  }
  const height = Math.ceil(bottom + margin / 2);
  fill(paper, { width, height }, []);
  return fill(sheet, { width, height, viewBox: `0 0 ${width} ${height}` }, []);
}

function fileName(tokens, ui) {
  return `${tokens.data.file}-block${tokens.data.layers[ui.layer]}`;
}
