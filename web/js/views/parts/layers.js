/** Steps through the history of this page, and what lies over it and closes when somebody goes back:
 * a dialog, a panel. */

const open = new Map();
const waiting = [];
let leaving = false;
let count = 0;

/** Takes a step in the history, after the steps before it: going back takes a moment. */
export function step(act) {
  waiting.push(act);
  while (!leaving && waiting.length) waiting.shift()();
}

/** Goes back, by some steps. Call it in a `step`. */
export function goBack(count = 1) {
  leaving = true;
  history.go(-count);
}

/** Notes that something was opened; `close()` takes it away. Answers what to call when it is gone. */
export function openLayer(close) {
  const name = `layer ${(count += 1)} ${performance.timeOrigin}`;
  let isGone = false;
  step(() => {
    if (isGone) return;
    open.set(name, close);
    history.pushState({ ...history.state, fromList: false, layers: [...layersOf(history.state), name] }, "");
  });
  return () => {
    isGone = true;
    if (open.delete(name)) step(() => layersOf(history.state).at(-1) === name && goBack());
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
  leaving = false;
  step(() => null);
});
