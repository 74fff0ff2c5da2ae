/** What this browser keeps. No other module touches storage.
 *
 * Storage may be full, blocked or missing. Then a value stays in memory, for as long as the page:
 * writing never throws, and says whether the value outlives the page.
 */

const listeners = new Set();
let failed = false;

class Place {
  #areas;
  #memory = new Map();

  /** `names`: areas of the window, the preferred one first. */
  constructor(...names) {
    this.#areas = names.map(areaOf).filter(Boolean);
  }

  /** The value, or null. A damaged one is none. */
  read(key) {
    if (this.#memory.has(key)) return parsed(this.#memory.get(key));
    for (const area of this.#areas) {
      const text = attempt(() => area.getItem(key), null);
      if (text !== null) return parsed(text);
    }
    return null;
  }

  /** Keeps what JSON can hold. False: it is lost with this page. */
  write(key, value) {
    const text = JSON.stringify(value);
    let kept = false;
    for (const area of this.#areas) {
      const here = !kept && attempt(() => (area.setItem(key, text), true), false);
      if (!here) attempt(() => area.removeItem(key), null); // An older value must not come back.
      kept ||= here;
    }
    if (kept) this.#memory.delete(key);
    else this.#memory.set(key, text);
    if (kept) return true;
    failed = true;
    listeners.forEach((listener) => listener());
    return false;
  }

  remove(key) {
    this.#memory.delete(key);
    for (const area of this.#areas) attempt(() => area.removeItem(key), null);
  }

  keys(prefix) {
    const found = this.#areas.flatMap((area) => attempt(() => Object.keys(area), []));
    return [...new Set([...found, ...this.#memory.keys()])].filter((key) => key.startsWith(prefix));
  }
}

function areaOf(name) {
  return attempt(() => window[name], null);
}

function attempt(act, otherwise) {
  try {
    return act();
  } catch {
    return otherwise;
  }
}

function parsed(text) {
  return attempt(() => JSON.parse(text), null);
}

/** For all tabs of this browser; for this tab alone where that is full. */
export const browser = new Place("localStorage", "sessionStorage");

/** For this tab, and what is duplicated from it. */
export const tab = new Place("sessionStorage");

/** Whether something could not be kept since the page was loaded. */
export function hasFailed() {
  return failed;
}

/** Calls `listener` whenever something could not be kept; answers the way to stop it. */
export function onFailure(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `listener(key)` when another tab changed what all tabs share; answers the way to stop it. */
export function onChange(prefix, listener) {
  const heard = ({ key }) => key?.startsWith(prefix) && listener(key);
  window.addEventListener("storage", heard);
  return () => window.removeEventListener("storage", heard);
}
