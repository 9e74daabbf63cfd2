// First lines of a decode worker. In: { id, kind, bytes, layout }. Out: { id, pixels } with the pixels transferred, or
// { id, error }. The module loads once, while the first frame may already be waiting.
import init, { decode } from "/worker.js";

const ready = init({ module_or_path: "/worker_bg.wasm" });

self.onmessage = async ({ data: { id, kind, bytes, layout } }) => {
  try {
    await ready;
    const pixels = decode(kind, new Uint8Array(bytes), layout);
    self.postMessage({ id, pixels }, [pixels.buffer]);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
