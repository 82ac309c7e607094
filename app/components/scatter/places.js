// Where points lie: the nearest to a place, the next in a direction, those within a line.

const CELLS = 128; // a side

class Places {
  constructor(places) {
    this.places = places;
    const count = places.length / 2;
    const cell = (point) => this.cell(places[2 * point]) + CELLS * this.cell(places[2 * point + 1]);
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    for (let point = 0; point < count; point++) this.starts[cell(point) + 1]++;
    for (let n = 0; n < CELLS * CELLS; n++) this.starts[n + 1] += this.starts[n];
    const next = this.starts.slice();
    this.points = new Uint32Array(count);
    for (let point = 0; point < count; point++) this.points[next[cell(point)]++] = point;
  }

  cell(value) {
    return Math.min(CELLS - 1, Math.max(0, Math.floor((value / 65536) * CELLS)));
  }

  // The point nearest to x, y (0 to 1) within a reach of the same unit, or null; faint ones do not count.
  nearest(x, y, reach, faint) {
    const [left, right] = [this.cell((x - reach) * 65535), this.cell((x + reach) * 65535)];
    const [low, high] = [this.cell((y - reach) * 65535), this.cell((y + reach) * 65535)];
    let [found, best] = [null, reach * reach];
    for (let row = low; row <= high; row++) {
      for (let column = left; column <= right; column++) {
        const cell = column + CELLS * row;
        for (let n = this.starts[cell]; n < this.starts[cell + 1]; n++) {
          const point = this.points[n];
          if (faint?.[point]) continue;
          const distance = (this.places[2 * point] / 65535 - x) ** 2 + (this.places[2 * point + 1] / 65535 - y) ** 2;
          if (distance <= best) [found, best] = [point, distance];
        }
      }
    }
    return found;
  }

  // The point that lies next in a direction: near, and not far to the side.
  towards(from, [right, up], faint) {
    const [x, y] = [this.places[2 * from], this.places[2 * from + 1]];
    let [found, best] = [null, Infinity];
    for (let point = 0; point < this.points.length; point++) {
      if (point === from || faint?.[point]) continue;
      const [across, along] = [this.places[2 * point] - x, this.places[2 * point + 1] - y];
      const ahead = across * right + along * up;
      const aside = Math.abs(across * up) + Math.abs(along * right);
      if (ahead <= 0 || aside > ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < best) [found, best] = [point, cost];
    }
    return found;
  }

  // Points within a closed line of [x, y] from 0 to 1; a point at its edge may count or not.
  within(line) {
    const found = [];
    for (let point = 0; point < this.places.length / 2; point++) {
      const [x, y] = [this.places[2 * point] / 65535, this.places[2 * point + 1] / 65535];
      let inside = false;
      for (let n = 0, before = line.length - 1; n < line.length; before = n++) {
        const [[ax, ay], [bx, by]] = [line[n], line[before]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      if (inside) found.push(point);
    }
    return found;
  }
}
