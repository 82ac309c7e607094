// Drawings as files, made in the browser.

function save(blob, name) {
  const link = html("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveSvg(sheet, name) {
  save(svgBlob(sheet), `${name}.svg`);
}

// At twice its size, for screens of many points.
async function savePng(sheet, name) {
  const [width, height] = ["width", "height"].map((side) => 2 * Number(sheet.getAttribute(side)));
  const address = URL.createObjectURL(svgBlob(sheet));
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = html("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  URL.revokeObjectURL(address);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  save(blob, `${name}.png`);
}

function svgBlob(sheet) {
  return new Blob([new XMLSerializer().serializeToString(sheet)], { type: "image/svg+xml" });
}
