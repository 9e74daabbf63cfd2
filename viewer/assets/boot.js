// Loads the application; where that fails, says what a person can do about it.
const help = (text) => {
  const line = document.getElementById("boot-help");
  if (line) { line.textContent = text; line.hidden = false; }
};
const slow = setTimeout(() => help("线路较慢，仍在下载。 The line is slow, still loading."), 8000);
try {
  const { default: init } = await import("/viewer.js");
  await init({ module_or_path: "/viewer_bg.wasm" });
  document.getElementById("boot")?.remove();
} catch (error) {
  console.error(error);
  help("打不开：请检查网络后刷新；浏览器请用 2022 年后的 Chrome、Edge、Firefox。 "
    + "Could not start: check the network and reload; use a browser from 2022 or later.");
} finally {
  clearTimeout(slow);
}
