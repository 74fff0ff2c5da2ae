/** A scrolling area that stays at its end while things arrive, and still while one reads back. */

const NEAR_END = 48;
const NEAR_START = 600;

export class Scroller {
  atEnd = true;
  #top = 0;

  /** `onMove()` after every scroll of `area`, in which `list` grows. */
  constructor(area, list, onMove) {
    this.area = area;
    this.list = list;
    area.addEventListener("scroll", () => {
      this.#look();
      onMove();
    });
    // A keyboard that opens, a window that narrows: the end stays in sight.
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(area);
  }

  get nearStart() {
    return this.area.scrollTop < NEAR_START;
  }

  toEnd() {
    this.area.scrollTop = this.area.scrollHeight;
    this.stick();
  }

  /** Goes to the end with the next change, and stays there. */
  stick() {
    this.atEnd = true;
    this.#top = this.area.scrollTop;
  }

  /** Puts `node` a little below the top, as far as there is something to scroll. */
  toNode(node) {
    this.area.scrollTop = node.offsetTop - 72;
    this.#look();
  }

  /** Lets `change` add and remove what it likes without moving what is being read. */
  hold(change) {
    // The browser reports scrolling only after this frame, so look now.
    if (this.area.scrollTop !== this.#top) this.#look();
    if (this.atEnd) {
      change();
      this.toEnd();
      return;
    }
    const anchor = this.#anchor();
    const before = anchor?.offsetTop;
    change();
    if (anchor?.isConnected) this.area.scrollTop += anchor.offsetTop - before;
    this.#look();
  }

  // Dividers stick to the top, so they cannot say how far things moved.
  #anchor() {
    const top = this.area.scrollTop;
    const isSeen = (node) => node.offsetTop + node.offsetHeight > top && !node.classList.contains("divider");
    return [...this.list.children].find(isSeen);
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.area;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.#top = scrollTop;
  }
}
