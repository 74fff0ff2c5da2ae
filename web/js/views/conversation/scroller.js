/** A scrolling area of rows. It stays at its end while messages arrive, and does not move while the user reads back. */

import { VirtualRows } from "./virtual-rows.js";

const NEAR_END = 48;
const NEAR_START = 600;
const AROUND = 800;
const MOST_ROUNDS = 4;

export class Scroller {
  atEnd = true;
  #rows;
  #onMove;
  #top = 0;
  #width = 0;
  #height = 0;
  // The row that is being read, and how far below the top of the area it begins.
  #anchor = null;

  /** `area` scrolls `list` and what is beside it; the rest as of VirtualRows. `onMove()` after every scroll. */
  constructor({ area, list, onMove, ...view }) {
    this.area = area;
    this.#rows = new VirtualRows({ list, ...view });
    this.#onMove = onMove;
    area.addEventListener("scroll", () => {
      if (this.#isResized) return this.#resized();
      this.#look();
      if (!this.#rows.covers(this.#listTop - AROUND / 2, this.#listTop + area.clientHeight + AROUND / 2)) this.#draw();
      onMove();
    });
    // A keyboard that opens, a window that narrows: what is being read stays in sight.
    new ResizeObserver(() => this.#resized()).observe(area);
  }

  get nearStart() {
    return this.area.scrollTop < NEAR_START;
  }

  get rows() {
    return this.#rows.rows;
  }

  nodeOf(key) {
    return this.#rows.nodeOf(key);
  }

  /** Shows these rows, and what `change` does beside them, without moving what is being read. */
  show(rows, { isWhole, change }) {
    // The browser reports scrolling only after this frame, so look now.
    if (this.area.scrollTop !== this.#top && !this.#isResized) this.#look();
    this.#rows.show(rows, isWhole);
    change();
    this.#draw();
  }

  /** All rows are replaced, and shown from their end. */
  restart() {
    this.#rows.forgetSizes();
    this.#anchor = null;
    this.stick();
  }

  toEnd() {
    this.atEnd = true;
    this.#draw();
  }

  /** The row that is being read and how far below the top it begins; null at the end. */
  get place() {
    return this.atEnd ? null : this.#anchor;
  }

  /** Goes to the end with the next change, and stays there. */
  stick() {
    this.atEnd = true;
    this.#top = this.area.scrollTop;
  }

  /** Puts a row that far below the top, as far as there is something to scroll. */
  toRow(key, offset) {
    this.atEnd = false;
    this.#anchor = { key, offset };
    this.#draw();
    this.#onMove();
  }

  /** Brings a row into view, and answers its node. */
  reveal(key) {
    const isHere = (node) => node && !node.matches(".apart");
    if (!isHere(this.nodeOf(key))) this.toRow(key, this.area.clientHeight / 3);
    const node = this.nodeOf(key);
    node.scrollIntoView({ block: "nearest" });
    return node;
  }

  /** Scrolls on in a row that goes beyond the window; says whether it did. */
  showMore(node, direction) {
    const row = node.getBoundingClientRect();
    const area = this.area.getBoundingClientRect();
    const hidden = direction < 0 ? area.top - row.top : row.bottom - area.bottom;
    if (row.height < area.height || hidden <= 1) return false;
    this.area.scrollTop += direction * Math.min(hidden, area.height / 2);
    return true;
  }

  /** The row that is about one window away from another. */
  pageFrom(index, direction) {
    return this.#rows.at(this.#rows.startOf(index) + direction * this.area.clientHeight * 0.9);
  }

  // A new size moves the end, too. Until #resized has run, the place is not valid.
  get #isResized() {
    return this.area.clientWidth !== this.#width || this.area.clientHeight !== this.#height;
  }

  get #listTop() {
    return this.area.scrollTop - this.#rows.list.offsetTop;
  }

  // Each round knows the heights that the one before found.
  #draw() {
    const { area } = this;
    const height = area.clientHeight;
    if (!height) return; // It is hidden. Being shown resizes it.
    const anchor = this.#anchor;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const at = anchor && !this.atEnd ? this.#rows.indexOf(anchor.key) : -1;
      let top = this.#listTop;
      if (this.atEnd) top = this.#rows.height - height;
      else if (at >= 0) top = this.#rows.startOf(at) - anchor.offset;
      const isSettled = this.#rows.draw(top - AROUND, top + height + AROUND);
      if (this.atEnd) area.scrollTop = area.scrollHeight;
      else if (at >= 0) this.#moveTo(this.#rows.nodeOf(anchor.key), anchor.offset);
      if (isSettled) break;
    }
    this.#look();
  }

  #moveTo(node, offset) {
    const moved = node ? this.#offsetOf(node) - offset : 0;
    if (Math.abs(moved) >= 0.5) this.area.scrollTop += moved;
  }

  // A row begins with an empty space, which depends on the row before it.
  #offsetOf(node) {
    return node.firstElementChild.getBoundingClientRect().top - this.area.getBoundingClientRect().top;
  }

  #resized() {
    if (this.area.clientWidth !== this.#width) this.#rows.forgetSizes();
    this.#width = this.area.clientWidth;
    this.#height = this.area.clientHeight;
    this.#draw();
    this.#onMove();
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.area;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.#top = scrollTop;
    const top = this.area.getBoundingClientRect().top;
    // Headings stick, so they cannot say how far things moved.
    const isRead = (node) => !node.matches(".divider, .apart") && node.getBoundingClientRect().bottom > top;
    const node = [...this.#rows.list.children].find(isRead);
    const isSeen = node && this.#offsetOf(node) < clientHeight;
    this.#anchor = isSeen ? { key: node.dataset.key, offset: this.#offsetOf(node) } : null;
  }
}
