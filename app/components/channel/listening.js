// For components that take their data from a channel: take(content) is called with what it holds,
// now and later. Returns a function that ends it, and forgets the data.

function listenTo(channel, take) {
  const now = () => {
    const channels = window.limoeLensChannels;
    if (channels?.has(channel)) take(channels.get(channel));
  };
  const heard = (event) => event.detail === channel && now();
  window.addEventListener("limoe-lens-channel", heard);
  now();
  return () => {
    window.removeEventListener("limoe-lens-channel", heard);
    window.limoeLensChannels?.delete(channel);
  };
}
