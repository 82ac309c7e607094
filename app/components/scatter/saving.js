// The map in view as a PNG, on white, with its legend.

const LINE = 22;

function savePng(canvas, label, file) {
  const width = canvas.width;
  const ratio = canvas.width / canvas.clientWidth;
  const sheet = document.createElement("canvas");
  const context = sheet.getContext("2d");
  const font = `${13 * ratio}px sans-serif`;
  context.font = font;
  const places = [];
  let [x, row] = [10 * ratio, 0];
  for (const value of label.values) {
    const wide = context.measureText(value.name).width + 34 * ratio;
    if (x + wide > width && x > 10 * ratio) [x, row] = [10 * ratio, row + 1];
    places.push([value, x, row]);
    x += wide;
  }
  sheet.width = width;
  sheet.height = canvas.height + (row + 1.4) * LINE * ratio;
  context.fillStyle = "#FFFFFF";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.drawImage(canvas, 0, 0);
  context.font = font;
  for (const [value, left, line] of places) {
    const y = canvas.height + (line + 0.8) * LINE * ratio;
    context.fillStyle = value.colour;
    context.fillRect(left, y - 5 * ratio, 10 * ratio, 10 * ratio);
    context.fillStyle = "#1B2430";
    context.textBaseline = "middle";
    context.fillText(value.name, left + 15 * ratio, y);
  }
  sheet.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${file}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}
