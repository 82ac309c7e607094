// Keeps the points of a map for the map beside it, so that they are sent once and not at each click.

export default function ({ data }) {
  const bytes = data.slice();
  const header = new DataView(bytes.buffer).getUint32(0, true);
  const { id } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + header)));
  window.limoeLensPoints = { id, bytes }; // one map on a page
  window.dispatchEvent(new CustomEvent("limoe-lens-points"));
}
