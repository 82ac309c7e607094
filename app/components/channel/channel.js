// Keeps the newest data of a channel and tells those who listen to it.

export default function ({ data: { channel, content } }) {
  (window.limoeLensChannels ??= new Map()).set(channel, content);
  window.dispatchEvent(new CustomEvent("limoe-lens-channel", { detail: channel }));
}
