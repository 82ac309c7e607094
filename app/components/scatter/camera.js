// Which part of the map is in view. The map's own places go from 0 to 1, the second one upwards.

const MARGIN = 0.04; // of the map, left free around it
const [FARTHEST, NEAREST] = [0.5, 200];

class Camera {
  constructor(node) {
    this.node = node;
    this.whole();
  }

  whole() {
    this.zoom = 1;
    this.centre = [0.5, 0.5];
  }

  get size() {
    return [this.node.clientWidth, this.node.clientHeight];
  }

  // Pixels that a side of the map takes.
  get side() {
    return this.zoom * Math.min(...this.size) * (1 - 2 * MARGIN);
  }

  toScreen([x, y]) {
    const [width, height] = this.size;
    return [width / 2 + (x - this.centre[0]) * this.side, height / 2 - (y - this.centre[1]) * this.side];
  }

  toMap([left, top]) {
    const [width, height] = this.size;
    return [this.centre[0] + (left - width / 2) / this.side, this.centre[1] - (top - height / 2) / this.side];
  }

  shows(place) {
    const [[x, y], [width, height]] = [this.toScreen(place), this.size];
    return x > 0 && y > 0 && x < width && y < height;
  }

  moveBy(across, down) {
    this.centre = [this.centre[0] - across / this.side, this.centre[1] + down / this.side];
  }

  // Nearer or farther, with what lies under a place on the screen staying there.
  zoomAt(factor, place) {
    const before = this.toMap(place);
    this.zoom = Math.min(NEAREST, Math.max(FARTHEST, this.zoom * factor));
    const after = this.toMap(place);
    this.centre = this.centre.map((value, axis) => value + before[axis] - after[axis]);
  }

  // From the map to -1 … 1 on the screen.
  get transform() {
    const scale = this.size.map((pixels) => (2 * this.side) / pixels);
    return { scale, offset: scale.map((each, axis) => -this.centre[axis] * each) };
  }
}
