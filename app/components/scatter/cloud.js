// The points as the server packed them; see payload.py.

const NONE = 33;

class Cloud {
  constructor(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0, true);
    const text = new TextDecoder();
    Object.assign(this, JSON.parse(text.decode(bytes.subarray(4, 4 + length))));
    const part = (name) => {
      const [at, size] = this.arrays[name];
      return bytes.slice(4 + length + at, 4 + length + at + size);
    };
    this.places = new Uint16Array(part("places").buffer); // x, y of each point
    this.textual = part("kinds");
    this.pairs = new Int32Array(part("pairs").buffer);
    this.own = part("own");
    this.names = text.decode(part("names")).split("\n");
    this.ids = text.decode(part("ids")).split("\n");
    this.codes = this.labels.map((_, n) => part(`label ${n}`));
    this.file = this.sheet && new Blob([part("sheet")], { type: "image/webp" });
  }

  at(point) {
    return [this.places[2 * point] / 65535, this.places[2 * point + 1] / 65535];
  }

  label(name) {
    return Math.max(0, this.labels.findIndex((label) => label.name === name));
  }

  value(label, point) {
    return this.labels[label].values[this.codes[label][point]]?.name ?? "";
  }

  // The point in words, for the tip and for those who do not see it.
  facts(point) {
    const labels = this.labels.slice(1).map((label, n) => [label.name, this.value(n + 1, point)]);
    return labels.filter(([, value]) => value).map(([name, value]) => `${name} ${value}`);
  }

  // What the point is: "picture".
  kind(point) {
    return this.kinds[this.textual[point]][0];
  }
}
