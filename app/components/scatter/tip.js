// What a point is, beside it: its picture and its labels.

class Tip {
  constructor(node) {
    this.node = node;
  }

  load(cloud) {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = cloud.file ? URL.createObjectURL(cloud.file) : null;
    this.cloud = cloud;
    this.hide();
  }

  show(point, [x, y], width) {
    const { cloud, node } = this;
    const thumb = node.querySelector(".thumb");
    const { columns, rows } = cloud.sheet ?? {};
    const pair = cloud.pairs[point];
    thumb.hidden = !this.address || pair < 0;
    if (!thumb.hidden) {
      const along = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
      thumb.style.backgroundImage = `url("${this.address}")`;
      thumb.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
      thumb.style.backgroundPosition = `${along(pair % columns, columns)}% ${along(Math.floor(pair / columns), rows)}%`;
    }
    const name = html("b", { text: cloud.names[point], dir: "auto" });
    const facts = [cloud.kind(point), ...cloud.facts(point)].join(" · ");
    node.querySelector(".words").replaceChildren(name, html("span", { text: facts }));
    node.hidden = false;
    const beside = x + 16 + node.offsetWidth > width ? x - 16 - node.offsetWidth : x + 16;
    node.style.left = `${Math.max(2, Math.min(beside, width - node.offsetWidth - 2))}px`;
    node.style.top = `${y + 12}px`;
  }

  hide() {
    this.node.hidden = true;
  }

  end() {
    if (this.address) URL.revokeObjectURL(this.address);
  }
}
