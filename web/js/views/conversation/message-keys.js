/** Ways to a message: keys lead from one to the next, and keys, mouse and touch open its menu. One message
 * is in the order of Tab; the arrows, Page Up and Down, Home and End lead to the others. */

const HOLD = 500;
const STEADY = 10;

/** `list` holds the messages of `scroller`; `onMenu(row, point)` opens the menu of one. */
export class MessageKeys {
  #list;
  #scroller;
  #onMenu;
  #current = null;

  constructor({ list, scroller, onMenu }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#onMenu = onMenu;
    list.addEventListener("focusin", ({ target }) => {
      this.#current = target.closest(".message")?.dataset.key ?? this.#current;
      this.look();
    });
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => event.target.closest(".more") && this.#open(event.target.closest(".message")));
    list.addEventListener("contextmenu", (event) => this.#context(event));
    this.#watchTouch();
  }

  /** Puts one of the messages that are in the page into the order of Tab. */
  look() {
    const nodes = [...this.#list.querySelectorAll(".message")];
    const { area } = this.#scroller;
    const bottom = area.getBoundingClientRect().bottom;
    const isSeen = (node) => node.getBoundingClientRect().top < bottom;
    const chosen = nodes.find((node) => node.dataset.key === this.#current) ?? nodes.findLast(isSeen) ?? nodes.at(-1);
    for (const node of nodes) node.tabIndex = node === chosen ? 0 : -1;
    area.tabIndex = chosen ? -1 : 0;
  }

  #key(event) {
    const { target: node, key } = event;
    if (!node.matches(".message") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (key === "Enter" || key === "ContextMenu" || (key === "F10" && event.shiftKey)) this.#open(node);
    else if (event.shiftKey || !this.#move(node, key)) return;
    event.preventDefault();
  }

  #move(node, key) {
    const { rows } = this.#scroller;
    const here = rows.findIndex((row) => row.key === node.dataset.key);
    const page = (direction) => this.#scroller.pageFrom(here, direction);
    const goals = { ArrowUp: () => here - 1, ArrowDown: () => here + 1, PageUp: () => page(-1), PageDown: () => page(1), Home: () => 0, End: () => rows.length - 1 };
    if (!goals[key]) return false;
    const isUp = ["ArrowUp", "PageUp", "End"].includes(key);
    if (key.startsWith("Arrow") && this.#scroller.showMore(node, isUp ? -1 : 1)) return true;
    const goal = nearest(rows, goals[key](), isUp ? -1 : 1) ?? nearest(rows, goals[key](), isUp ? 1 : -1);
    if (goal !== undefined) this.#scroller.reveal(rows[goal].key).focus({ preventScroll: true });
    return true;
  }

  #context(event) {
    const node = event.target.closest(".bubble")?.parentElement;
    const isSelected = !document.getSelection().isCollapsed;
    if (!node || isSelected || event.target.closest("a")) return; // The browser's own menu fits these.
    event.preventDefault();
    this.#open(node, event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : undefined);
  }

  // Not every browser sends "contextmenu" when a finger rests.
  #watchTouch() {
    let timer = null;
    let from = null;
    const stop = () => clearTimeout(timer);
    this.#list.addEventListener("pointerdown", (event) => {
      stop();
      const node = event.target.closest(".bubble")?.parentElement;
      if (event.pointerType !== "touch" || !node || event.target.closest("a, button")) return;
      from = { x: event.clientX, y: event.clientY };
      timer = setTimeout(() => this.#open(node, from), HOLD);
    });
    this.#list.addEventListener("pointermove", ({ clientX, clientY }) => from && Math.hypot(clientX - from.x, clientY - from.y) > STEADY && stop());
    for (const type of ["pointerup", "pointercancel", "contextmenu"]) this.#list.addEventListener(type, stop);
  }

  #open(node, point = besides(node)) {
    if (document.querySelector(".menu")) return;
    const row = this.#scroller.rows.find((one) => one.key === node.dataset.key);
    node.focus({ preventScroll: true });
    this.#onMenu(row, point);
  }
}

/** The message nearest to a row, looking in one direction. */
function nearest(rows, from, direction) {
  for (let at = from; at >= 0 && at < rows.length; at += direction) if (rows[at].kind === "message") return at;
  return undefined;
}

function besides(node) {
  const { left, right, top } = node.querySelector(".bubble").getBoundingClientRect();
  return { x: document.documentElement.dir === "rtl" ? right : left, y: Math.max(top, 0) + 24 };
}
