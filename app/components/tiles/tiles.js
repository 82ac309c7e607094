// Pictures in a grid with a line or two of text each. Text goes in as text, never as markup.

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function tile(data, item, place, pick) {
  const node = make(data.clickable ? "button" : "div", "tile");
  if (data.clickable) {
    node.type = "button";
    node.addEventListener("click", () => {
      node.classList.add("waiting");
      pick(item.id);
    });
  }
  node.dataset.id = item.id;
  node.title = item.hint || item.detail;
  if (item.marked) node.classList.add("marked");
  const picture = make("div", "picture");
  const { src, columns, rows } = data.sheet;
  const along = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
  picture.style.backgroundImage = `url("${src}")`;
  picture.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  picture.style.backgroundPosition = `${along(place % columns, columns)}% ${along(Math.floor(place / columns), rows)}%`;
  const caption = make("span", "caption", item.caption);
  caption.dir = "auto";
  const detail = make("span", "detail", item.detail);
  detail.dir = "auto";
  node.append(picture, caption, detail);
  if (data.clickable && data.action) node.append(make("span", "spoken", `, ${data.action}`));
  return node;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tiles");
  root.style.setProperty("--wide", `${data.width}px`);
  root.setAttribute("role", "list");
  root.setAttribute("aria-label", data.label);
  const pick = (id) => setTriggerValue("pick", id);
  root.replaceChildren(
    ...data.items.map((item, place) => {
      const entry = make("div");
      entry.setAttribute("role", "listitem");
      entry.append(tile(data, item, place, pick));
      return entry;
    }),
  );
}
