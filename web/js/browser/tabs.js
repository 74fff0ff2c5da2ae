/** The tabs of one browser: telling each other news, and doing one thing at a time. */

import { browser } from "./storage.js";
import { pause, uuid } from "./timing.js";

const LEASE = 30_000;
const MOST_LOOKS = 80;
const LOOK_EVERY = 500;

/** {tell(news), close()}: `listener` gets the news of other tabs. Without BroadcastChannel, nothing is sent. */
export function newsOf(name, listener) {
  let channel = null;
  try {
    channel = new BroadcastChannel(name);
  } catch {
    return { tell: () => null, close: () => null };
  }
  channel.onmessage = ({ data }) => listener(data);
  return { tell: (news) => channel.postMessage(news), close: () => channel.close() };
}

/** Runs `act` while no other tab runs one of this name. */
export async function oneTabAtATime(name, act) {
  let started = false;
  try {
    return await navigator.locks.request(name, () => {
      started = true;
      return act();
    });
  } catch (error) {
    if (started) throw error;
    return leased(name, act); // No locks on plain http, or where site data is blocked.
  }
}

async function leased(name, act) {
  const key = `parley.lease.${name}`;
  const owner = uuid();
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    const held = browser.read(key);
    if (!held || !(held.until > Date.now())) {
      browser.write(key, { owner, until: Date.now() + LEASE });
      await pause(100); // Two tabs may have written: the last one has it.
      if (browser.read(key)?.owner === owner) break;
    }
    await pause(LOOK_EVERY);
  }
  try {
    return await act();
  } finally {
    if (browser.read(key)?.owner === owner) browser.remove(key);
  }
}

/** Holds a lock until the function that this answers is called, or the tab ends. `onHeld` is called
 * once it is ours. Without locks, it never is. */
export function hold(name, { mode = "exclusive", onHeld = () => null } = {}) {
  const waiting = new AbortController();
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const held = () => {
    onHeld();
    return released;
  };
  Promise.resolve(navigator.locks?.request(name, { mode, signal: waiting.signal }, held)).catch(() => null);
  return () => {
    waiting.abort();
    release();
  };
}

/** Whether a tab holds a lock of this name. */
export async function isHeld(name) {
  const { held } = await navigator.locks.query();
  return held.some((lock) => lock.name === name);
}
