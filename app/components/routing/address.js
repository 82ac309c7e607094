// The address bar follows the view without a round trip to the server.

function viewAddress(tokens, ui) {
  const { address, layers } = tokens.data;
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(address)) url.searchParams.set(name, value);
  url.searchParams.set("layer", layers[ui.layer]);
  if (ui.selected === null) url.searchParams.delete("token");
  else url.searchParams.set("token", tokens.key(ui.selected));
  return url;
}

function writeAddress(tokens, ui) {
  const url = viewAddress(tokens, ui);
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
}
