// The routing view: one pair, every MoE layer. All that the reader does here stays in the browser;
// the server hears which layer and token were left in view only when the reader leaves the figure.

const views = new WeakMap(); // by mount point: View

class View {
  constructor(root) {
    this.root = root;
    this.ui = {
      layer: 0, hover: null, selected: null, expert: null, passing: null,
      numbers: true, opacity: true, coarse: false,
    };
    this.listeners = new AbortController();
    this.listen();
    this.followOther();
  }

  // Called at each script run.
  listenTo({ data, setStateValue }) {
    this.report = setStateValue;
    this.unlisten ??= listenTo(data.channel, (content) => this.update(content));
  }

  // Called with the pair after each script run; most of them bring nothing new.
  async update(data) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const opened = this.opened !== data.view.opened; // first sight, or a link was followed
    const same = this.tokens?.data.id === data.id;
    if (same && !opened) {
      Object.assign(this.tokens.data, { address: data.address, view: data.view });
      return;
    }
    const before = this.tokens;
    const { ui } = this;
    const tokens = await Tokens.of(data, before);
    if (turn !== this.turn || this.listeners.signal.aborted) return; // something newer came meanwhile
    let block = opened ? data.view.layer : before.data.layers[this.wanted ?? ui.layer];
    // A pinned pair may come after the reader has changed the layer of the pair beside it.
    if (data.view.pinned) block = window.limoeLensView?.layer ?? block;
    const followed = opened ? data.view.token : ui.selected === null ? null : before.key(ui.selected);
    this.opened = data.view.opened;
    this.tokens = tokens;
    this.wanted = null;
    ui.layer = Math.max(0, data.layers.indexOf(block));
    if (!tokens.has(ui.layer)) ui.layer = data.routed.layers[0];
    this.root.querySelector(".lens").classList.remove("waiting");
    ui.selected = followed ? this.tokens.byKey(followed) : null;
    ui.hover = ui.passing = null;
    if (ui.expert !== null && ui.expert >= tokens.data.experts.length) ui.expert = null;
    this.reported = this.state();
    this.build();
    this.paint();
  }

  build() {
    const { root, tokens } = this;
    root.querySelector('[data-only="sharp"]').hidden = !tokens.pictures.some((picture) => picture.sharp);
    root.querySelector('[data-only="second"]').hidden = tokens.data.choices < 2 || tokens.data.large;
    const whose = tokens.data.view.pinned ? "Pinned picture" : "Picture";
    root.querySelector(".picture").setAttribute("aria-label", `${whose}, patch by patch`);
    root.querySelector(".foot").textContent = tokens.data.group.sentence;
    this.picture = new Picture(root.querySelector(".picture"), tokens);
    this.caption = new Caption(root, tokens);
    this.legend = new Legend(root.querySelector(".legend"), root.querySelector(".counted"), tokens);
    this.layers = new Layers(root, tokens);
    this.detail = new Detail(root, tokens);
    this.detail.hideTip();
    for (const part of [this.picture, this.caption]) part.nodes()[0]?.setAttribute("tabindex", "0");
    root.querySelector(".lens").dataset.ready = tokens.data.id;
  }

  // The expert whose tokens are lit up, if any: in passing, pinned, or that of the followed token.
  lit() {
    const { ui, tokens } = this;
    if (ui.passing !== null) return ui.passing;
    if (ui.expert !== null) return ui.expert;
    return ui.selected === null ? null : tokens.first(ui.layer, ui.selected);
  }

  paint() {
    const { ui, tokens } = this;
    const focused = this.root.activeElement;
    const look = (node, t) => {
      toggle(node, "followed", t === ui.selected);
      node.setAttribute("aria-label", tokens.said(ui.layer, t));
      node.setAttribute("aria-selected", String(t === ui.selected));
    };
    this.picture.paint(ui, look);
    this.caption.paint(ui, look);
    this.legend.paint(ui);
    this.layers.paint(ui);
    this.lighten();
    this.detail.paint(ui);
    // The button that had the focus may have been drawn anew: the keys must go on working.
    if (focused && !focused.isConnected) {
      const again = focused.matches(".hop") && this.detail.panel.querySelector(".hop.current");
      (again || this.layers.buttons[ui.layer]).focus({ preventScroll: true });
    }
    this.tell();
  }

  // Lights up the tokens of one expert, and nothing else: it follows the pointer over the legend.
  lighten() {
    const { ui, tokens } = this;
    const lit = this.lit();
    for (const part of [this.picture, this.caption]) {
      for (const node of part.nodes()) {
        const t = Number(node.dataset.token);
        const mine = lit === null || tokens.uses(ui.layer, t, lit);
        toggle(node, "dim", !mine && t !== ui.selected);
        toggle(node, "lit", lit !== null && mine);
      }
    }
    this.legend.lighten(lit);
    this.layers.lighten(ui, lit);
  }

  // Other figures on the page show the same layer and token.
  tell() {
    if (this.tokens.data.view.pinned) return;
    const detail = this.state();
    window.limoeLensView = detail;
    window.dispatchEvent(new CustomEvent("limoe-lens-view", { detail }));
  }

  // A pinned pair is shown in the layer of the pair that it stands beside.
  followOther() {
    const show = ({ detail }) => {
      if (this.tokens?.data.view.pinned) this.setLayer(this.tokens.data.layers.indexOf(detail.layer));
    };
    window.addEventListener("limoe-lens-view", show, { signal: this.listeners.signal });
  }

  writeAddress() {
    if (!this.tokens.data.view.pinned) writeAddress(this.tokens, this.ui);
  }

  setLayer(l) {
    if (l < 0 || l >= this.tokens.data.layers.length || l === this.ui.layer) return;
    if (!this.tokens.has(l)) {
      this.want(l);
      return;
    }
    this.ui.layer = l;
    this.ui.expert = null; // experts of another layer are others
    this.paint();
    if (this.ui.hover !== null) this.detail.showTip(this.ui, this.ui.hover.t, this.ui.hover.node);
    this.say(this.tokens.data.names[l]);
    this.writeAddress();
  }

  // Asks the server for a layer that was not sent.
  want(l) {
    this.wanted = l;
    this.root.querySelector(".lens").classList.add("waiting");
    this.say(`Loading ${this.tokens.data.names[l]}`);
    this.report("view", { ...this.state(), layer: this.tokens.data.layers[l] });
  }

  follow(t) {
    this.ui.selected = t === this.ui.selected ? null : t;
    this.ui.expert = null;
    this.paint();
    if (this.ui.selected !== null) this.say(`Following ${this.tokens.name(t)}`);
    this.writeAddress();
  }

  release() {
    Object.assign(this.ui, { selected: null, expert: null, passing: null });
    this.detail.hideTip();
    this.paint();
    this.writeAddress();
  }

  pin(expert) {
    this.ui.expert = this.ui.expert === expert ? null : expert;
    this.paint();
  }

  // Another word on a button, for a moment.
  flash(button, word) {
    const node = this.root.querySelector(button);
    node.dataset.word ??= node.textContent;
    node.textContent = word;
    setTimeout(() => (node.textContent = node.dataset.word), 1600);
  }

  say(sentence) {
    this.root.querySelector(".live").textContent = sentence;
  }

  state() {
    const { ui, tokens } = this;
    return { layer: tokens.data.layers[ui.layer], token: ui.selected === null ? null : tokens.key(ui.selected), all: this.all ?? null };
  }

  // Tells the server what is in view, so that other pages and links start from there.
  leave() {
    if (this.tokens.data.view.pinned) return;
    const now = this.state();
    if (JSON.stringify(now) === JSON.stringify(this.reported)) return;
    this.reported = now;
    this.report("view", now);
  }

  // ---- events

  listen() {
    const root = this.root;
    const on = (type, handler) => root.addEventListener(type, handler, { signal: this.listeners.signal });
    on("pointerover", (event) => this.point(event));
    on("pointerout", (event) => this.unpoint(event));
    on("click", (event) => this.click(event));
    on("keydown", (event) => this.press(event));
    on("focusin", (event) => this.focus(event));
    on("focusout", (event) => {
      const within = event.relatedTarget === null || root.contains(event.relatedTarget);
      if (!within && !this.touched) this.leave();
    });
    const down = (event) => this.touch(event.pointerType === "touch", event.composedPath());
    window.addEventListener("pointerdown", down, { capture: true, passive: true, signal: this.listeners.signal });
    on("change", (event) => {
      const option = event.target.dataset?.option;
      if (!option) return;
      this.ui[option] = event.target.checked;
      this.paint();
    });
    const lens = root.querySelector(".lens");
    lens.addEventListener("pointerleave", () => this.touched || this.leave(), { signal: this.listeners.signal });
    const hide = () => this.detail?.hideTip();
    window.addEventListener("scroll", hide, { capture: true, passive: true, signal: this.listeners.signal });
  }

  // A finger leaves no figure: it is there only while it taps. So the server hears of what a finger
  // did a while after the last tap, unless that was on a link to another page: a run of the script
  // that is asked for now would be one of this page, and the reader would stay here.
  touch(touched, path) {
    this.touched = touched;
    clearTimeout(this.idle);
    const leads = path.some((node) => node.localName === "a");
    if (touched && !leads) this.idle = setTimeout(() => this.leave(), 900);
  }

  point(event) {
    if (event.pointerType === "touch") return;
    const node = event.target.closest(".token");
    if (node) {
      const t = Number(node.dataset.token);
      if (this.ui.hover?.t === t) return;
      this.ui.hover = { t, node };
      this.detail.showTip(this.ui, t, node);
      return;
    }
    const chip = event.target.closest(".chip");
    if (chip) {
      this.ui.passing = Number(chip.dataset.expert);
      this.lighten();
    }
  }

  unpoint(event) {
    const to = event.relatedTarget;
    const from = event.target.closest(".token, .chip");
    if (!from || (to && from.contains(to))) return;
    if (from.matches(".chip")) {
      this.ui.passing = null;
      this.lighten();
    } else {
      this.ui.hover = null;
      this.detail.hideTip();
    }
  }

  focus(event) {
    const node = event.target.closest(".token");
    if (!node?.matches(":focus-visible")) return;
    this.ui.hover = { t: Number(node.dataset.token), node };
    this.detail.showTip(this.ui, this.ui.hover.t, node);
  }

  click(event) {
    const find = (selector) => event.target.closest(selector);
    const token = find(".token");
    if (token) {
      const part = token.matches(".patch") ? this.picture : this.caption;
      rove(part.nodes(), part.nodes().indexOf(token));
      this.detail.hideTip(); // the panel says the same
      this.follow(Number(token.dataset.token));
    } else if (find(".chip")) this.pin(Number(find(".chip").dataset.expert));
    else if (find("[data-layer]")) this.setLayer(Number(find("[data-layer]").dataset.layer));
    else if (find("[data-action]")) this.act(find("[data-action]").dataset.action);
  }

  async act(action) {
    const { tokens, ui } = this;
    if (action === "release") this.release();
    if (action === "all") {
      this.all = tokens.data.pair;
      this.root.querySelector(".lens").classList.add("waiting");
      this.leave();
    }
    if (action === "svg") saveSvg(drawSheet(tokens, ui), fileName(tokens, ui));
    if (action === "png") await savePng(drawSheet(tokens, ui), fileName(tokens, ui));
    if (action === "link") {
      const link = viewAddress(tokens, ui).href;
      try {
        await navigator.clipboard.writeText(link);
        this.say("The link to this view is copied.");
        this.flash('[data-action="link"]', "Copied");
      } catch {
        window.history.replaceState(window.history.state, "", link);
        this.say("This browser does not allow copying; the link is in the address bar.");
      }
    }
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    if (this.pressed(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  // Whether the key meant something here.
  pressed({ key, target }) {
    if (key === "Escape") {
      this.release();
      return true;
    }
    if (/^[1-9]$/.test(key)) {
      this.setLayer(Number(key) - 1);
      return true;
    }
    if (target.matches(".token") && (key === "Enter" || key === " ")) {
      this.follow(Number(target.dataset.token));
      return true;
    }
    if (target.matches(".layer")) {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
      if (!step) return false;
      this.setLayer(this.ui.layer + step);
      this.layers.buttons[this.ui.layer].focus();
      return true;
    }
    for (const part of [this.picture, this.caption, this.legend, this.layers]) {
      const nodes = part.nodes();
      const n = nodes.indexOf(target);
      if (n < 0) continue;
      const to = part.move(n, key);
      if (to === null) return false;
      rove(nodes, to);
      return true;
    }
    return false;
  }

  end() {
    clearTimeout(this.idle);
    this.listeners.abort();
    this.unlisten?.();
  }
}

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) {
    view = new View(root);
    views.set(root, view);
  }
  view.listenTo(component);
  return () => {
    view.end();
    views.delete(root);
  };
}
