// The values of the label that points are coloured by; a click leaves only points of that value.

class Legend {
  constructor(root, onChoose) {
    this.root = root;
    this.chosen = null; // code
    root.addEventListener("click", (event) => {
      const button = event.target.closest(".value");
      if (!button) return;
      const code = Number(button.dataset.code);
      this.chosen = this.chosen === code ? null : code;
      this.mark();
      onChoose();
    });
  }

  show(label) {
    this.chosen = null;
    const values = label.values.map((value, code) => ({ ...value, code }));
    if (label.none) values.push({ name: `no ${label.name}`, colour: "#8C8C8C", count: label.none, code: NONE });
    this.root.replaceChildren(
      ...values.map(({ name, colour, count, code }) => {
        const text = label.name === "modality" && name === "text" ? "swatch text" : "swatch";
        const swatch = html("span", { class: text, "aria-hidden": "true" });
        swatch.style.background = colour;
        const attributes = { type: "button", class: "value", "data-code": code };
        return html("button", attributes, swatch, html("span", { text: `${name} (${count.toLocaleString("en")})` }));
      }),
    );
    this.mark();
  }

  mark() {
    for (const button of this.root.children) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.code) === this.chosen));
    }
  }
}
