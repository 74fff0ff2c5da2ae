/** What lies over the page, and closes when somebody goes back: a dialog, a panel. */

const open = new Map();
let count = 0;

/** Notes that something was opened; `close()` takes it away. Answers what to call when it is gone. */
export function openLayer(close) {
  const name = `layer ${(count += 1)} ${performance.timeOrigin}`;
  open.set(name, close);
  history.pushState({ ...history.state, fromList: false, layers: [...layersOf(history.state), name] }, "");
  return () => {
    if (!open.delete(name)) return;
    if (layersOf(history.state).at(-1) === name) history.back();
  };
}

/** Forgets all of them, without closing any. */
export function forgetLayers() {
  open.clear();
}

function layersOf(state) {
  return state?.layers ?? [];
}

window.addEventListener("popstate", ({ state }) => {
  for (const [name, close] of [...open]) {
    if (layersOf(state).includes(name)) continue;
    open.delete(name);
    close();
  }
});
