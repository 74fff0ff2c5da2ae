// What the audits of `axe.py` look for in a page besides what axe-core finds.
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0;
  const isForEyes = (node) => !node.closest(".visually-hidden, [aria-hidden=true]");
  const nameOf = (node) => `${node.tagName.toLowerCase()}.${[...node.classList].join(".")} “${(node.innerText ?? "").slice(0, 30)}”`;
  // A picker closes when the focus leaves it, so nothing behind it can have the focus.
  const top = () => document.querySelector("dialog:modal, .emoji-picker") ?? document.body;
  const all = (selector) => [...top().querySelectorAll(selector)].filter((node) => isShown(node) && isForEyes(node));

  function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  }

  function luminance([red, green, blue]) {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  }

  function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }

  /** The colour behind a node's text; system colours may be translucent. */
  function paperOf(node) {
    if (!node) return [255, 255, 255, 255];
    const colour = rgba(getComputedStyle(node).backgroundColor);
    if (colour[3] === 255) return colour;
    const share = colour[3] / 255;
    return paperOf(node.parentElement).map((under, at) => colour[at] * share + under * (1 - share));
  }

  /** Inputs whose edge is hard to see (WCAG 1.4.11). */
  function faintEdges() {
    settle();
    const inputs = all("input:not([type=checkbox], [type=hidden]), textarea, select, input[role=switch]");
    return inputs.flatMap((input) => {
      const box = [input, input.parentElement].find((one) => parseFloat(getComputedStyle(one).borderTopWidth)) ?? input;
      const style = getComputedStyle(box);
      const edge = rgba(parseFloat(style.borderTopWidth) ? style.borderTopColor : style.backgroundColor);
      const found = contrast(edge, paperOf(box.parentElement));
      return found < 3 ? [`${nameOf(box)} has an edge of ${found.toFixed(2)}:1`] : [];
    });
  }

  /** What sticks out of the page, or is cut off (WCAG 1.4.4, 1.4.10, 1.4.12). */
  function cutOff() {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const found = wide > 0 ? [`the page is ${wide} px too wide`] : [];
    for (const node of all("*")) {
      const style = getComputedStyle(node);
      const hides = (value) => value === "hidden" || value === "clip";
      const isShortened = style.textOverflow === "ellipsis" || style.display === "inline" || node.namespaceURI.endsWith("svg");
      if (isShortened || node.matches("input, textarea, select, [inert] *")) continue;
      if (hides(style.overflowX) && node.scrollWidth > node.clientWidth + 1) found.push(`${nameOf(node)} is cut at its side`);
      if (hides(style.overflowY) && node.scrollHeight > node.clientHeight + 1) found.push(`${nameOf(node)} is cut below`);
      const { left, right, width } = node.getBoundingClientRect();
      if (width && !node.firstElementChild && (left < -1 || right > innerWidth + 1)) found.push(`${nameOf(node)} sticks out`);
    }
    return found;
  }

  const FOCUSABLE = "a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex='0']";
  const byTab = (node) => node.tabIndex >= 0 && !node.closest(".skip, [inert]");

  /** What can have the focus, and is then hidden by something else (WCAG 2.4.11). */
  function covered() {
    return all(FOCUSABLE).filter(byTab).flatMap((node) => {
      node.scrollIntoView({ block: "nearest", behavior: "instant" });
      const box = node.getClientRects()[0];
      const [x, y] = [(box.left + box.right) / 2, (box.top + Math.min(box.bottom, box.top + 40)) / 2];
      const hit = document.elementFromPoint(Math.max(0, Math.min(x, innerWidth - 1)), Math.max(0, Math.min(y, innerHeight - 1)));
      return hit && (node.contains(hit) || hit.contains(node)) ? [] : [`${nameOf(node)} is hidden by ${hit ? nameOf(hit) : "the edge"}`];
    });
  }

  /** Letters that forced colours make hard to see: the browser lays the colour of the page behind them. */
  function hiddenText() {
    settle();
    const page = rgba("Canvas");
    const hasText = (node) => [...node.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
    return all("*").filter((node) => hasText(node) && !node.closest(":disabled")).flatMap((node) => {
      const { color, forcedColorAdjust } = getComputedStyle(node);
      const behind = forcedColorAdjust === "none" ? paperOf(node) : page;
      return contrast(rgba(color), behind) < 4.5 ? [`${nameOf(node)} has hardly another colour than what is behind`] : [];
    });
  }

  /** Classes of what is shown, and of what only holds it. */
  function classes() {
    const holds = (node) => getComputedStyle(node).display === "contents" && [...node.children].some(isShown);
    const shown = [...document.querySelectorAll("[class]")].filter((node) => isShown(node) || holds(node));
    return [...new Set(shown.flatMap((node) => [...node.classList]))];
  }

  /** Shows what an animation leads to. */
  function settle() {
    for (const animation of document.getAnimations()) {
      if (animation.effect.getComputedTiming().endTime === Infinity) animation.cancel();
      else animation.finish();
    }
  }

  async function axeFindings(options) {
    settle();
    const { violations } = await axe.run(document, { resultTypes: ["violations"], ...options });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, any, all, none }) => `${id}: ${target.join(" ")}: ${[...any, ...all, ...none].map(({ message }) => message).join("; ")}`),
    );
  }

  // Letters and lines as far apart as some readers need them (WCAG 1.4.12).
  const spacing = new CSSStyleSheet();
  spacing.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-block-end: 2em !important }");

  function space(isOn) {
    document.adoptedStyleSheets = isOn ? [...document.adoptedStyleSheets, spacing] : document.adoptedStyleSheets.filter((one) => one !== spacing);
  }

  /** The size of text that a browser's user prefers. */
  function enlarge(percent) {
    document.documentElement.style.fontSize = percent;
  }

  window.audit = { axeFindings, classes, covered, cutOff, enlarge, faintEdges, hiddenText, space };
})();
