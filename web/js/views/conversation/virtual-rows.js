/** The rows of a long list, of which only those near the window are in the page. The others are
 * padding: as high as they were when they were last shown, or as high as they are guessed to be. */

import { reconcile } from "../../browser/dom.js";

const MOST_SELECTED = 400;

export class VirtualRows {
  rows = [];
  #sizes = new Map();
  #starts = new Float64Array(1);
  #guess;
  #isHeading;
  #view;
  #isWhole = true;

  /** `list` is positioned; its rows have no margins. `guess(row)`: a height. A heading stays in the
   * page as long as rows below it are, so that it can stick. `create(row)` and `update(node, row)`
   * make what is shown. */
  constructor({ list, guess, isHeading = () => false, create, update }) {
    this.list = list;
    this.#guess = guess;
    this.#isHeading = isHeading;
    this.#view = { key: (at) => this.rows[at].key, create: (at) => create(this.rows[at]), update: (node, at) => this.#update(node, at, update) };
  }

  get height() {
    return this.#starts[this.rows.length];
  }

  indexOf(key) {
    return this.rows.findIndex((row) => row.key === key);
  }

  startOf(index) {
    return this.#starts[index];
  }

  nodeOf(key) {
    return [...this.list.children].find((node) => node.dataset.key === key) ?? null;
  }

  /** `isWhole`: no other rows are known to be missing at the ends. */
  show(rows, isWhole = true) {
    this.rows = rows;
    this.#isWhole = isWhole;
    this.#layOut();
  }

  /** Each height has to be measured again, since the width or the font changed. */
  forgetSizes() {
    this.#sizes.clear();
    this.#layOut();
  }

  /** Whether the rows between two heights of the list are in the page. */
  covers(top, bottom) {
    return (this.from === 0 || this.#starts[this.from] <= top) && (this.to === this.rows.length || this.#starts[this.to] >= bottom);
  }

  /** Puts the rows between two heights into the page; says whether they were as high as expected. */
  draw(top, bottom) {
    this.#choose(top, bottom);
    const shown = Array.from({ length: this.to - this.from }, (_, at) => this.from + at);
    const heading = this.#headingOf(this.from);
    if (heading !== null) shown.unshift(heading);
    const focused = this.#rowWith(document.activeElement);
    const isApart = focused >= 0 && !shown.includes(focused);
    if (isApart) shown[focused < this.from ? "unshift" : "push"](focused);
    reconcile(this.list, shown, this.#view);
    for (const node of this.list.children) {
      const apart = isApart && node.dataset.key === this.rows[focused].key;
      node.classList.toggle("apart", apart);
      node.style.top = apart ? `${this.#starts[focused]}px` : "";
    }
    const above = this.#starts[this.from] - (heading === null ? 0 : this.#sizeOf(heading));
    this.list.style.paddingTop = `${above}px`;
    this.list.style.paddingBottom = `${this.height - this.#starts[this.to]}px`;
    return this.#measure();
  }

  #update(node, at, update) {
    node.setAttribute("aria-posinset", at + 1);
    node.setAttribute("aria-setsize", this.#isWhole ? this.rows.length : -1);
    update(node, this.rows[at]);
  }

  #layOut() {
    const { rows } = this;
    const starts = new Float64Array(rows.length + 1);
    for (let at = 0; at < rows.length; at += 1) starts[at + 1] = starts[at] + this.#sizeOf(at);
    this.#starts = starts;
  }

  #sizeOf(index) {
    const row = this.rows[index];
    if (!this.#sizes.has(row.key)) this.#sizes.set(row.key, this.#guess(row));
    return this.#sizes.get(row.key);
  }

  #choose(top, bottom) {
    const { length } = this.rows;
    this.from = Math.min(this.at(top), Math.max(0, length - 1));
    this.to = Math.min(length, this.at(bottom) + 1);
    // Selected rows stay in the page, with all rows between them, so that the selection does not break.
    const ends = this.#selected();
    const from = Math.min(this.from, ...ends);
    const to = Math.max(this.to, ...ends.map((one) => one + 1));
    if (ends.length && to - from <= MOST_SELECTED) Object.assign(this, { from, to });
  }

  /** The row at a height of the list. */
  at(height) {
    let [low, high] = [0, Math.max(0, this.rows.length - 1)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle] <= height) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #headingOf(index) {
    for (let at = index - 1; at >= 0; at -= 1) if (this.#isHeading(this.rows[at])) return at;
    return null;
  }

  #selected() {
    const selection = document.getSelection();
    if (!selection || selection.isCollapsed) return [];
    return [selection.anchorNode, selection.focusNode].map((node) => this.#rowWith(node)).filter((at) => at >= 0);
  }

  #rowWith(node) {
    if (!node || !this.list.contains(node)) return -1;
    const row = [...this.list.children].find((one) => one.contains(node));
    return row ? this.indexOf(row.dataset.key) : -1;
  }

  #measure() {
    let isAsExpected = true;
    for (const node of this.list.children) {
      const { height } = node.getBoundingClientRect();
      if (this.#sizes.get(node.dataset.key) === height) continue;
      this.#sizes.set(node.dataset.key, height);
      isAsExpected = false;
    }
    if (!isAsExpected) this.#layOut();
    return isAsExpected;
  }
}
