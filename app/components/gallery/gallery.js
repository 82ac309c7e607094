// A strip of pictures to pick from. Filters and arrow keys work in the browser; a pick is a trigger.

const strips = new WeakMap(); // by mount point: Strip

function make(tag, name, text = "") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.textContent = text;
  return node;
}

class Strip {
  constructor(root) {
    this.root = root;
    this.strip = root.querySelector(".strip");
    this.chosen = {}; // filter -> value
    this.strip.addEventListener("click", (event) => this.pick(event.target.closest(".item")));
    this.strip.addEventListener("keydown", (event) => this.press(event));
    // A wheel that only turns up and down moves the strip sideways while there is more of it.
    this.strip.addEventListener("wheel", (event) => {
      const before = this.strip.scrollLeft;
      if (Math.abs(event.deltaY) > Math.abs(event.deltaX)) this.strip.scrollLeft += event.deltaY;
      if (this.strip.scrollLeft !== before) event.preventDefault();
    }, { passive: false });
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    const content = JSON.stringify([data.items, data.filters, data.sheet?.src, data.label]);
    this.data = data;
    if (content !== this.content) {
      this.content = content;
      this.build();
      this.mark(true);
    }
    this.unlisten ??= listenTo(data.channel, ({ selected }) => this.select(selected));
  }

  select(selected) {
    const moved = this.selected !== selected;
    if (selected === this.picked) this.picked = null;
    this.selected = selected;
    this.mark(moved);
  }

  build() {
    const { items, sheet, filters, label } = this.data;
    if (sheet) this.strip.style.setProperty("--sheet", `url("${sheet.src}")`);
    this.root.querySelector(".label").textContent = label;
    this.strip.setAttribute("aria-label", label);
    const boxes = Object.entries(filters).map(([tag, name]) => this.filter(tag, name));
    this.root.querySelector(".filters").replaceChildren(...boxes);
    this.nodes = items.map((item, n) => {
      const node = make("div", "item");
      node.setAttribute("role", "option");
      node.dataset.id = item.id;
      node.title = item.detail ? `${item.caption}\n${item.detail}` : item.caption;
      node.setAttribute("aria-label", node.title.replace("\n", ", "));
      if (sheet) {
        const thumb = make("div", "thumb");
        const [column, row] = [n % sheet.columns, Math.floor(n / sheet.columns)];
        thumb.style.backgroundSize = `${100 * sheet.columns}% ${100 * sheet.rows}%`;
        const along = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
        thumb.style.backgroundPosition = `${along(column, sheet.columns)}% ${along(row, sheet.rows)}%`;
        node.append(thumb);
      }
      const caption = make("span", "caption", item.caption);
      caption.dir = "auto";
      node.append(caption);
      return node;
    });
    this.strip.replaceChildren(...this.nodes);
    this.sieve();
  }

  filter(tag, name) {
    const box = make("label", "", "");
    const select = make("select");
    select.dataset.filter = tag;
    const values = [...new Set(this.data.items.map((item) => item.tags[tag] ?? ""))].filter(Boolean).sort();
    if (!values.includes(this.chosen[tag])) delete this.chosen[tag];
    select.append(...[["", "all"], ...values.map((value) => [value, value])].map(([value, text]) => {
      const option = make("option", "", text);
      option.value = value;
      return option;
    }));
    select.value = this.chosen[tag] ?? "";
    select.addEventListener("change", () => {
      this.chosen[tag] = select.value;
      this.sieve();
    });
    box.append(make("span", "", name), select);
    return box;
  }

  sieve() {
    const { items } = this.data;
    let shown = 0;
    items.forEach((item, n) => {
      const fits = Object.entries(this.chosen).every(([tag, value]) => !value || item.tags[tag] === value);
      this.nodes[n].hidden = !fits;
      shown += fits;
    });
    const all = shown === items.length;
    const { noun } = this.data;
    this.root.querySelector(".count").textContent = all ? `${items.length} ${noun}` : `${shown} of ${items.length} ${noun}`;
    this.tabStop();
  }

  visible() {
    return this.nodes.filter((node) => !node.hidden);
  }

  tabStop(node) {
    const visible = this.visible();
    const stop = node ?? visible.find((each) => each.dataset.id === this.selected) ?? visible[0];
    for (const each of this.nodes) each.setAttribute("tabindex", each === stop ? "0" : "-1");
    return stop;
  }

  mark(moved) {
    for (const node of this.nodes) {
      node.setAttribute("aria-selected", String(node.dataset.id === this.selected));
      node.classList.toggle("waiting", node.dataset.id === this.picked);
    }
    const stop = this.tabStop();
    if (moved && stop) requestAnimationFrame(() => this.bring(stop));
  }

  // Into sight, once the page is laid out; only the strip moves, never the page.
  bring(stop) {
    const room = this.strip.getBoundingClientRect();
    const box = stop.getBoundingClientRect();
    if (box.left < room.left || box.right > room.right) {
      this.strip.scrollLeft += box.left - room.left - (room.width - box.width) / 2;
    }
  }

  pick(node) {
    if (!node) return;
    this.tabStop(node);
    // What was picked last counts, even if the server has not answered yet.
    if (node.dataset.id === (this.picked ?? this.selected)) return;
    // (Of a pick that leads back to what is shown, it may have nothing to tell.)
    const back = node.dataset.id === this.selected;
    this.picked = back ? null : node.dataset.id;
    for (const each of this.nodes) each.classList.toggle("waiting", each === node && !back);
    this.send("pick", node.dataset.id);
  }

  press(event) {
    const visible = this.visible();
    const n = visible.indexOf(event.target);
    if (n < 0) return;
    const last = visible.length - 1;
    const to = { ArrowRight: Math.min(n + 1, last), ArrowLeft: Math.max(n - 1, 0), Home: 0, End: last }[event.key];
    if (to !== undefined) this.tabStop(visible[to]).focus();
    else if (event.key === "Enter" || event.key === " ") this.pick(visible[n]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export default function (component) {
  const root = component.parentElement;
  if (!strips.has(root)) strips.set(root, new Strip(root));
  strips.get(root).update(component);
  return () => {
    strips.get(root)?.unlisten?.();
    strips.delete(root);
  };
}
