// Questions about the data that came from Python: one pair, all its MoE layers.
//
// data.tokens: [{m: 0 image | 1 text, at: position, piece, box: [x0, y0, x1, y1]}]
// data.probs[l][t][e], data.expert[l][t][k], data.gate[l][t][k], data.dropped[l][t][k] (0 or 1)

const IMAGE = 0;
const SPACE = "\u2581"; // SentencePiece's mark for the start of a word

class Tokens {
  constructor(data) {
    this.data = data;
    this.all = data.tokens;
    this.patches = this.all.flatMap((token, t) => (token.m === IMAGE ? [t] : []));
    this.pieces = this.all.flatMap((token, t) => (token.m === IMAGE ? [] : [t]));
  }

  key(t) {
    return `${this.all[t].m === IMAGE ? "i" : "t"}${this.all[t].at}`;
  }

  byKey(key) {
    const found = this.all.findIndex((_, t) => this.key(t) === key);
    return found < 0 ? null : found;
  }

  first(l, t) {
    return this.data.expert[l][t][0];
  }

  uses(l, t, expert) {
    return this.data.expert[l][t].includes(expert);
  }

  // How many experts some tokens chose, with any of their choices, as on the page Experts.
  used(l, list) {
    return new Set(list.flatMap((t) => this.data.expert[l][t])).size;
  }

  // How many of their choices found the expert full.
  drops(l, list) {
    return list.reduce((sum, t) => sum + this.data.dropped[l][t].filter(Boolean).length, 0);
  }

  // "3 dropped", or where a token has several choices "3 of 128 choices dropped".
  droppedOf(l, list) {
    const choices = list.reduce((sum, t) => sum + this.data.expert[l][t].length, 0);
    const count = this.drops(l, list);
    return choices > list.length ? `${count} of ${choices} choices dropped` : `${count} dropped`;
  }

  // Dropped by every expert it chose: the layer leaves it as it was.
  dropped(l, t) {
    return this.data.dropped[l][t].every(Boolean);
  }

  name(t) {
    const token = this.all[t];
    if (token.m === IMAGE) {
      const grid = this.data.grid;
      return `Patch, row ${Math.floor(token.at / grid) + 1}, column ${(token.at % grid) + 1}`;
    }
    return `Piece ${token.at + 1}: ${this.shown(t)}`;
  }

  // The name as an element, with the piece kept apart from the words around it, whichever way it runs.
  title(t) {
    if (this.all[t].m === IMAGE) return html("strong", { text: this.name(t) });
    return html("strong", { text: `Piece ${this.all[t].at + 1}: ` }, html("bdi", { text: this.shown(t) }));
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
    const { expert, gate, dropped, experts } = this.data;
    return expert[l][t]
      .map((e, k) => {
        const end = dropped[l][t][k] ? "dropped: the expert was full" : "kept";
        return `${experts[e].label}, gate ${gate[l][t][k].toFixed(2)}, ${end}`;
      })
      .join("; ");
  }

  // What a reader hears of a token: first what stands on it, then the rest.
  said(l, t) {
    const experts = this.data.expert[l][t].map((e) => this.data.experts[e].label).join(" ");
    if (this.all[t].m === IMAGE) return `${this.name(t)}: ${this.fate(l, t)}`;
    return `${this.shown(t)} ${experts}: piece ${this.all[t].at + 1}; ${this.fate(l, t)}`;
  }

  entropy(l, t) {
    return -this.data.probs[l][t].reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
  }

  counts(l, expert) {
    const count = (list) => list.filter((t) => this.uses(l, t, expert)).length;
    return { patches: count(this.patches), pieces: count(this.pieces) };
  }
}
