// Making elements. Text goes in as text: nothing here or elsewhere parses markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function toggle(node, name, on) {
  node.classList.toggle(name, Boolean(on));
}

// Moves focus within a group of which only one element is a tab stop.
function rove(elements, to) {
  for (const element of elements) element.setAttribute("tabindex", "-1");
  if (elements[to]) {
    elements[to].setAttribute("tabindex", "0");
    elements[to].focus();
  }
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : noun.endsWith("ch") ? "es" : "s"}`;
}
