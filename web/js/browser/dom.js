/** Making and updating elements. Data only ever becomes text, never markup. */

/** An element: `on…` props are listeners, `class` and the rest attributes, true means present. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Makes `parent`'s children show `items`, reusing nodes by key and keeping the focus. */
export function reconcile(parent, items, { key, create, update }) {
  const focused = document.activeElement;
  const keys = new Set(items.map(key));
  const nodes = new Map();
  for (const node of [...parent.children]) {
    if (keys.has(node.dataset.key)) nodes.set(node.dataset.key, node);
    else node.remove();
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = nodes.get(name);
    if (!node) {
      node = create(item);
      node.dataset.key = name;
    }
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** Tells people who use a screen reader, without moving the focus. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.append(h("p", {}, text));
  while (region.childElementCount > 5) region.firstElementChild.remove();
}
