// Numbers that came from Python as base64 of deflated bytes (`app.components.Packed`).

function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
}

async function unpacked(text, Kind) {
  return text ? new Kind(await inflated(text).arrayBuffer()) : null;
}

// How every expert looks, by its number.
async function unpackedLooks(text) {
  const looks = await inflated(text).json();
  return looks.map(([colour, ink, pattern], e) => ({ label: `E${e}`, colour, ink, pattern }));
}

// What the routers of some layers chose: one object a layer, by its place among all layers.
async function unpackedLayers(routed, tokens, choices, experts) {
  const { layers, wide, steps } = routed;
  const [expert, gate, dropped, scores, entropy] = await Promise.all([
    unpacked(routed.expert, wide ? Uint16Array : Uint8Array),
    unpacked(routed.gate, steps > 255 ? Uint16Array : Uint8Array),
    unpacked(routed.dropped, Uint8Array),
    unpacked(routed.scores, Uint16Array),
    unpacked(routed.entropy, Uint16Array),
  ]);
  const part = (array, n, size) => array?.subarray(n * size, (n + 1) * size) ?? null;
  return layers.map((layer, n) => [
    layer,
    {
      none: wide ? 65535 : 255,
      steps,
      expert: part(expert, n, tokens * choices),
      gate: part(gate, n, tokens * choices),
      dropped: part(dropped, n, tokens * choices),
      scores: part(scores, n, tokens * experts),
      entropy: part(entropy, n, tokens),
      load: routed.load[n],
    },
  ]);
}
