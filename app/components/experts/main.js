// Cards of a layer's experts: crops of pictures and words. Text goes in as text, never as markup.

const ZOOMS = [
  ["patch", "the patch alone"],
  ["around", "with its surroundings"],
  ["picture", "the whole picture"],
];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
const counted = (n, noun, plural) => `${n.toLocaleString("en")} ${n === 1 ? noun : plural}`;

// Shows the square [x, y, side] (in pixels of the picture at that place) of the sheet as a background.
function crop(node, sheet, place, [x, y, side]) {
  const across = sheet.columns * sheet.size - side;
  const down = sheet.rows * sheet.size - side;
  const left = (place % sheet.columns) * sheet.size + x;
  const top = Math.floor(place / sheet.columns) * sheet.size + y;
  node.style.backgroundSize = `${(100 * sheet.columns * sheet.size) / side}% ${(100 * sheet.rows * sheet.size) / side}%`;
  node.style.backgroundPosition = `${across ? (100 * left) / across : 0}% ${down ? (100 * top) / down : 0}%`;
}

// Marks the patch within the square that is shown.
function frame(patch, [x, y, side]) {
  const [x0, y0, x1, y1] = patch.box;
  const share = (value) => `${(100 * value) / side}%`;
  return element("span", {
    class: "frame",
    style: { left: share(x0 - x), top: share(y0 - y), width: share(x1 - x0), height: share(y1 - y0) },
  });
}

function windowOf(patch, zoom, size) {
  const [x0, y0, x1, y1] = patch.box;
  const wide = Math.max(x1 - x0, y1 - y0);
  if (zoom === "patch") return [x0, y0, wide];
  if (zoom === "picture") return [0, 0, size];
  const side = Math.min(3 * wide, size);
  const within = (at) => Math.max(0, Math.min(at - wide, size - side));
  return [within(x0), within(y0), side];
}

function describe(patch, pair, data) {
  const [row, column, rows, columns] = patch.at;
  const grid = rows === columns ? rows : `${rows} × ${columns}`;
  const parts = [`gate ${patch.gate.toFixed(2)}`, `row ${row + 1}, column ${column + 1} of ${grid}`];
  if (patch.dropped) parts.push("dropped");
  return [pair.name, [...pair.facts, ...parts].join(" · ")];
}

function showTip(ui, anchor, patch) {
  const { data, tip, root } = ui;
  const pair = data.pairs[patch.pair];
  const whole = element("div", { class: "whole" });
  whole.style.backgroundImage = ui.image;
  crop(whole, data.sheet, patch.cell, [0, 0, data.sheet.size]);
  whole.append(frame(patch, [0, 0, data.sheet.size]));
  const [title, facts] = describe(patch, pair, data);
  tip.replaceChildren(
    whole,
    element("div", { class: "title", dir: "auto", text: title }),
    element("div", { class: "faint", text: facts }),
  );
  tip.hidden = false;
  const place = anchor.getBoundingClientRect();
  const frameOf = root.getBoundingClientRect();
  const left = Math.max(0, Math.min(place.left - frameOf.left, frameOf.width - tip.offsetWidth));
  const above = place.top - tip.offsetHeight - 8;
  const top = above > 60 ? above : place.bottom + 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${top - frameOf.top}px`;
}

function patchList(ui, expert) {
  const { data } = ui;
  const list = element("ul", { class: "patches", "aria-label": `Patches of ${expert.label} with the highest gate` });
  const tiles = expert.patches.map((patch, place) => {
    const pair = data.pairs[patch.pair];
    const tile = element("a", {
      class: patch.dropped ? "patch dropped" : "patch",
      href: `${pair.href}&token=${patch.token}`,
      target: "_blank",
      rel: "noopener",
      tabindex: place ? -1 : 0,
      "aria-label": `${describe(patch, pair, data).join(", ")}; opens the pair on the page Routing`,
    });
    tile.style.backgroundImage = ui.image;
    tile.addEventListener("mouseenter", () => showTip(ui, tile, patch));
    tile.addEventListener("focus", () => showTip(ui, tile, patch));
    for (const leaving of ["mouseleave", "blur"]) tile.addEventListener(leaving, () => (ui.tip.hidden = true));
    ui.redraw.push(() => {
      const shown = windowOf(patch, ui.zoom, data.sheet.size);
      crop(tile, data.sheet, patch.cell, shown);
      tile.replaceChildren(...(ui.zoom === "patch" ? [] : [frame(patch, shown)]));
    });
    return tile;
  });
  tiles.forEach((tile, place) => {
    tile.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") ui.tip.hidden = true;
      if (!step) return;
      event.preventDefault();
      const next = tiles[place + step];
      if (!next) return;
      tile.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
    list.append(element("li", {}, tile));
  });
  return list;
}

function wordList(expert) {
  const list = element("ul", { class: "words", "aria-label": `Words of ${expert.label}` });
  for (const word of expert.words) {
    const title = `${word.tokens} of the ${word.total} tokens of this word are routed here, ${word.lift.toFixed(1)} times the base rate; ${word.sure ? "more than the best of all words by chance" : "as the best of all words may be by chance"}`;
    list.append(
      element(
        "li",
        { class: word.sure ? "word" : "word unsure", title },
        element("bdi", { text: word.value }),
        element("span", { class: "n faint", text: `×${word.lift.toFixed(1)}, n = ${word.tokens}` }),
      ),
    );
  }
  return list;
}

function card(ui, expert, choose) {
  const node = element("section", { class: "card", "data-expert": expert.number, style: { "--colour": expert.colour, "--ink": expert.ink } });
  const head = element(
    "button",
    { class: "head", type: "button", "aria-pressed": String(expert.number === ui.data.chosen), title: `Show ${expert.label} in detail` },
    element("span", { class: "name", text: expert.label }),
    element("span", { class: "role", text: expert.role }),
    element("span", {
      class: "shares faint",
      text: `takes ${percent(expert.image.share)} of the patches (n = ${expert.image.tokens.toLocaleString("en")}) and ${percent(expert.text.share)} of the pieces (n = ${expert.text.tokens.toLocaleString("en")})`,
    }),
  );
  head.addEventListener("click", () => choose(expert.number));
  node.classList.toggle("chosen", expert.number === ui.data.chosen);
  node.append(head);
  if (expert.patches.length) node.append(patchList(ui, expert));
  else node.append(element("p", { class: "none faint", text: ui.data.pictures ? "No patch is routed here." : "The run has no pictures of its probe pairs." }));
  if (expert.words.length) node.append(wordList(expert));
  else node.append(element("p", { class: "none faint", text: expert.text.tokens ? "No word has a lift above 1." : "No piece of text is routed here." }));
  return node;
}

function zoomBar(ui, redraw) {
  const bar = element("div", { class: "bar" }, element("span", { class: "what", text: "Patches shown" }));
  const group = element("div", { class: "zooms", role: "radiogroup", "aria-label": "How patches are shown" });
  const buttons = ZOOMS.map(([zoom, label]) => element("button", { class: "zoom", type: "button", role: "radio", "data-zoom": zoom, text: label }));
  const choose = (place) => {
    ui.zoom = ZOOMS[place][0];
    buttons.forEach((button, i) => {
      button.setAttribute("aria-checked", String(i === place));
      button.setAttribute("tabindex", i === place ? "0" : "-1");
    });
    redraw();
  };
  buttons.forEach((button, place) => {
    button.addEventListener("click", () => choose(place));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step && (place + step + ZOOMS.length) % ZOOMS.length;
      if (next === undefined) return;
      choose(next);
      buttons[next].focus();
    });
  });
  group.append(...buttons);
  bar.append(group);
  return { bar, start: () => choose(ZOOMS.findIndex(([zoom]) => zoom === ui.zoom)) };
}

const FIRST = 12; // cards before the others are asked for
const ORDERS = {
  number: ["by number", (a, b) => a.number - b.number],
  image: ["most patches first", (a, b) => b.image.share - a.image.share],
  text: ["most pieces first", (a, b) => b.text.share - a.text.share],
};

// Search, order and number of cards, where they are many. Dead experts come last in any order.
function finderBar(ui, cards, list) {
  const { experts } = ui.data;
  const bar = element("div", { class: "bar finder" });
  const more = element("button", { class: "zoom more", type: "button" });
  const search = element("input", { class: "search", type: "search", placeholder: "E3, image expert, a word", "aria-label": "Find experts" });
  search.value = ui.query;
  const order = element("select", { class: "order", "aria-label": "Order of experts" });
  for (const [name, [label]] of Object.entries(ORDERS)) order.append(element("option", { value: name, text: label }));
  order.value = ui.order;
  const count = element("span", { class: "faint", role: "status" });
  const text = experts.map((e) => [e.label, e.role, ...e.words.map((word) => word.value)].join("\n").toLowerCase());
  const fits = (n) => {
    const query = ui.query.trim().toLowerCase();
    return /^e\d+$/.test(query) ? experts[n].label.toLowerCase() === query : text[n].includes(query);
  };
  const show = () => {
    const compare = ORDERS[ui.order][1];
    const dead = (e) => Number(e.role === "dead");
    const places = experts.map((_, n) => n).sort((a, b) => dead(experts[a]) - dead(experts[b]) || compare(experts[a], experts[b]));
    const found = places.filter(fits);
    const most = ui.all || ui.query ? found.length : FIRST;
    const shown = new Set(found.slice(0, most));
    const picked = experts.findIndex((e) => e.number === ui.data.chosen);
    if (found.includes(picked)) shown.add(picked);
    places.forEach((n) => {
      cards[n].hidden = !shown.has(n);
      list.append(cards[n]);
    });
    more.hidden = shown.size >= found.length;
    more.textContent = `Show all ${found.length} experts`;
    count.textContent = shown.size === experts.length ? "" : `${shown.size} of ${experts.length} experts`;
  };
  search.addEventListener("input", () => {
    ui.query = search.value;
    show();
  });
  order.addEventListener("change", () => {
    ui.order = order.value;
    show();
  });
  more.addEventListener("click", () => {
    ui.all = true;
    show();
  });
  bar.append(search, order, count);
  bar.hidden = experts.length <= FIRST;
  return { bar, more, show };
}

const remembered = new WeakMap();

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".cards");
  const before = remembered.get(parentElement);
  const ui = {
    data,
    root,
    zoom: before?.zoom ?? "around",
    query: before?.query ?? "",
    order: before?.order ?? "number",
    all: before?.all ?? false,
    image: data.sheet ? `url("${data.sheet.src}")` : "none",
    redraw: [],
    tip: element("div", { class: "tip", hidden: true, role: "tooltip" }),
  };
  remembered.set(parentElement, ui);
  const focused = before?.focus;
  const choose = (expert) => {
    ui.focus = expert;
    setStateValue("expert", expert);
  };
  const cards = data.experts.map((expert) => card(ui, expert, choose));
  const list = element("div", { class: "list" }, ...cards);
  const zooms = zoomBar(ui, () => ui.redraw.forEach((draw) => draw()));
  const finder = finderBar(ui, cards, list);
  root.replaceChildren(...(data.pictures ? [zooms.bar] : []), finder.bar, list, finder.more, ui.tip);
  zooms.start();
  finder.show();
  if (focused !== undefined) root.querySelector(`[data-expert="${focused}"] .head`)?.focus({ preventScroll: true });
}
