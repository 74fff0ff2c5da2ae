/** Buttons that stay off for as long as the server wants. */

const timers = new WeakMap();

/** Turns a button on: at once, or when the wait is over that an error asked for. */
export function turnOn(button, error = null) {
  clearTimeout(timers.get(button));
  const wait = error?.retryAfter ?? 0;
  button.disabled = wait > 0;
  if (wait) timers.set(button, setTimeout(() => (button.disabled = false), wait));
}
