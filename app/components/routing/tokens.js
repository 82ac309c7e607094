// Questions about the data that came from Python: one pair, and the layers that were sent of it.

const IMAGE = 0;
const TEXT = 1;
const SPACE = "\u2581"; // SentencePiece's mark for the start of a word
const UNROUTED = "#8C8C8C"; // colour of a token that a router chose nothing for

class Tokens {
  // before: the tokens that were shown until now; their layers are kept if they are of this pair.
  static async of(data, before) {
    const { tokens, routed, choices } = data;
    const experts = await unpackedLooks(data.looks);
    data = { ...data, experts };
    const [kind, modality, picture, at, firsts, layers] = await Promise.all([
      unpacked(tokens.kind, Uint8Array),
      unpacked(tokens.m, Uint8Array),
      unpacked(tokens.picture, Int16Array),
      unpacked(tokens.at, Uint32Array),
      unpacked(data.firsts, experts.length >= 255 ? Uint16Array : Uint8Array),
      unpackedLayers(routed, tokens.count, choices, experts.length),
    ]);
    let n = 0;
    const all = Array.from({ length: tokens.count }, (_, t) => ({
      m: modality[t],
      kind: tokens.kinds[kind[t]],
      p: picture[t],
      at: at[t],
      piece: picture[t] < 0 ? tokens.pieces[n++] : "",
    }));
    const same = before?.data.pair === data.pair;
    return new Tokens(data, all, new Map([...(same ? before.packs : []), ...layers]), firsts ?? (same ? before.firsts : null));
  }

  constructor(data, all, packs, firsts) {
    this.data = data;
    this.all = all;
    this.packs = packs;
    this.firsts = firsts;
    this.pictures = data.pictures;
    const numbers = all.map((_, t) => t);
    this.patches = numbers.filter((t) => all[t].p >= 0);
    this.pieces = numbers.filter((t) => all[t].p < 0);
  }

  // Whether the choices in a layer were sent, and whether the first ones in every layer were.
  has(l) {
    return this.packs.has(l);
  }

  get hasAll() {
    return this.firsts !== null || this.data.layers.every((_, l) => this.has(l));
  }

  key(t) {
    const { p, at } = this.all[t];
    if (p < 0) return `t${at}`;
    return p ? `i${p + 1}.${at}` : `i${at}`;
  }

  byKey(key) {
    const found = this.all.findIndex((_, t) => this.key(t) === key);
    return found < 0 ? null : found;
  }

  // The experts that a token chose, best first; none where the router left it alone.
  chosen(l, t) {
    const pack = this.packs.get(l);
    if (!pack) {
      const first = this.firsts?.[l * this.all.length + t];
      return first === undefined || first >= this.data.experts.length ? [] : [first];
    }
    const { choices } = this.data;
    return Array.from(pack.expert.subarray(t * choices, (t + 1) * choices)).filter((e) => e !== pack.none);
  }

  first(l, t) {
    return this.chosen(l, t)[0] ?? null;
  }

  uses(l, t, expert) {
    return this.chosen(l, t).includes(expert);
  }

  // Weight of a choice; null where it is not known.
  gate(l, t, k = 0) {
    const pack = this.packs.get(l);
    return pack?.gate ? (pack.gate[t * this.data.choices + k] / pack.steps) * this.data.scaling : null;
  }

  lost(l, t, k = 0) {
    return Boolean(this.packs.get(l)?.dropped?.[t * this.data.choices + k]);
  }

  // How many experts some tokens chose, with any of their choices, as on the page Experts.
  used(l, list) {
    return new Set(list.flatMap((t) => this.chosen(l, t))).size;
  }

  // How many of their choices found the expert full.
  drops(l, list) {
    return list.reduce((sum, t) => sum + this.chosen(l, t).filter((_, k) => this.lost(l, t, k)).length, 0);
  }

  // "3 dropped", or where a token has several choices "3 of 128 choices dropped".
  droppedOf(l, list) {
    const choices = list.reduce((sum, t) => sum + this.chosen(l, t).length, 0);
    const count = this.drops(l, list);
    return choices > list.length ? `${count} of ${choices} choices dropped` : `${count} dropped`;
  }

  // Dropped by every expert it chose: the layer leaves it as it was.
  dropped(l, t) {
    const chosen = this.chosen(l, t);
    return chosen.length > 0 && chosen.every((_, k) => this.lost(l, t, k));
  }

  // The scores of all experts; of a large pair the weights of the chosen ones.
  scores(l, t) {
    const { experts, counts } = this.data;
    const scores = this.packs.get(l)?.scores;
    if (scores) {
      const [start, end] = [t * experts.length, t * experts.length + counts[l]];
      return Array.from(scores.subarray(start, end), (share) => share / 65535);
    }
    const found = new Array(counts[l]).fill(0);
    this.chosen(l, t).forEach((e, k) => (found[e] = (this.gate(l, t, k) ?? 1) / (this.gate(l, t, k) === null ? 1 : this.data.scaling)));
    return found;
  }

  colour(l, t, k = 0) {
    return this.data.experts[this.chosen(l, t)[k]]?.colour ?? UNROUTED;
  }

  // What a small square of the token shows.
  look(l, t) {
    const expert = this.first(l, t);
    const own = expert === null ? { colour: UNROUTED, ink: "#000000", pattern: "" } : this.data.experts[expert];
    return { ...own, expert, dropped: this.dropped(l, t) };
  }

  // How strongly a token is tinted: its gate value, or the same for all.
  tint(l, t, byGate) {
    const gate = this.gate(l, t);
    if (this.first(l, t) === null) return 0.04;
    return byGate && gate !== null ? 0.08 + (0.5 * gate) / this.data.scaling : 0.45;
  }

  name(t) {
    const token = this.all[t];
    if (token.p >= 0) {
      const { columns } = this.pictures[token.p];
      const which = this.pictures.length > 1 ? `Picture ${token.p + 1}, patch` : "Patch";
      return `${which}, row ${Math.floor(token.at / columns) + 1}, column ${(token.at % columns) + 1}`;
    }
    return `${this.noun(t)}: ${this.shown(t)}`;
  }

  // "Piece 3", or what else a token is: "special token 3".
  noun(t) {
    const { m, kind, at } = this.all[t];
    return m === TEXT ? `Piece ${at + 1}` : `${kind[0].toUpperCase()}${kind.slice(1)} token ${at + 1}`;
  }

  // The name as an element, with the piece kept apart from the words around it, whichever way it runs.
  title(t) {
    if (this.all[t].p >= 0) return html("strong", { text: this.name(t) });
    return html("strong", { text: `${this.noun(t)}: ` }, html("bdi", { text: this.shown(t) }));
  }

  // A piece as it is written on the page; a byte stays as the tokenizer names it.
  shown(t) {
    return this.all[t].piece.replaceAll(SPACE, "␣");
  }

  isByte(t) {
    return /^<0x[0-9A-F]{2}>$/.test(this.all[t].piece);
  }

  // "E3, gate 0.62, kept", for every choice.
  fate(l, t) {
    const chosen = this.chosen(l, t);
    if (!chosen.length) return this.has(l) ? "no expert here" : "not loaded yet";
    return chosen
      .map((e, k) => {
        const gate = this.gate(l, t, k);
        const end = this.lost(l, t, k) ? "dropped: the expert was full" : "kept";
        return [this.data.experts[e].label, gate === null ? null : `gate ${gate.toFixed(2)}`, end].filter(Boolean).join(", ");
      })
      .join("; ");
  }

  // What a reader hears of a token: first what stands on it, then the rest.
  said(l, t) {
    const experts = this.chosen(l, t).map((e) => this.data.experts[e].label).join(" ");
    if (this.all[t].p >= 0) return `${this.name(t)}: ${this.fate(l, t)}`;
    return `${this.shown(t)} ${experts}: ${this.noun(t).toLowerCase()}; ${this.fate(l, t)}`;
  }

  // Of the gate distribution, in nats; null where scores are not known.
  entropy(l, t) {
    const entropy = this.packs.get(l)?.entropy;
    return entropy ? entropy[t] / 1000 : null;
  }

  // Tokens of the two modalities that an expert gets.
  counts(l, expert) {
    const count = (m) => this.all.filter((token, t) => token.m === m && this.uses(l, t, expert)).length;
    return { patches: count(IMAGE), pieces: count(TEXT) };
  }
}
