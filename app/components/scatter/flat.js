// The same without a graphics card, for browsers that offer none: right, and slow beyond some thousands.

class FlatPainter {
  constructor(canvas) {
    this.context = canvas.getContext("2d");
    this.arrays = {};
  }

  load(name, values) {
    this.arrays[name] = values.slice();
  }

  draw({ scale, offset, moved, size, colours }) {
    const { context } = this;
    const { width, height } = context.canvas;
    const { before, after, code, kind, faint } = this.arrays;
    context.clearRect(0, 0, width, height);
    for (let point = 0; point < code.length; point++) {
      const along = (axis) => (before[2 * point + axis] * (1 - moved) + after[2 * point + axis] * moved) / 65535;
      const x = ((along(0) * scale[0] + offset[0] + 1) / 2) * width;
      const y = ((1 - along(1) * scale[1] - offset[1]) / 2) * height;
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const [r, g, b] = colours[code[point]].map((part) => Math.round(255 * part));
      context.fillStyle = `rgba(${r}, ${g}, ${b}, ${faint[point] ? 0.1 : 0.85})`;
      const reach = (size * (kind[point] > 1 ? 2.4 : 1)) / 2;
      context.beginPath();
      if (kind[point] % 2) {
        context.moveTo(x, y - reach);
        context.lineTo(x + reach, y);
        context.lineTo(x, y + reach);
        context.lineTo(x - reach, y);
      } else context.arc(x, y, reach, 0, 7);
      context.fill();
    }
  }

  end() {}
}
