// Replaces the parameters in the address bar, once for each correction that the server sends.

const done = new Set();

export default function ({ data }) {
  if (done.has(data.id)) return;
  done.add(data.id);
  const url = new URL(window.location.href);
  for (const name of [...url.searchParams.keys()]) {
    if (!name.startsWith("embed")) url.searchParams.delete(name); // those are Streamlit's own
  }
  for (const [name, value] of Object.entries(data.parameters)) url.searchParams.set(name, value);
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
}
