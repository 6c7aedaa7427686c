// Measures the page as it stands and returns what a reader would call broken: [{rule, where, text, detail}].
// `declared` names what is meant to be so: rows (lists in a row), scrollers (boxes that may be scrolled sideways),
// columns (boxes that the theme's script lets scroll up and down), ellipses (boxes that may shorten their text) and
// unmeasured (text that is a picture).
(declared) => {
  "use strict";
  const SLACK = 1.5;
  const page = document.documentElement;
  const width = page.clientWidth;
  const faults = [];
  const seen = new Set();

  const name = (element) => {
    const classes = [...element.classList].slice(0, 3).map((one) => "." + one).join("");
    return element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") + classes;
  };
  const where = (element) => {
    const path = [];
    for (let one = element; one && one !== document.body && path.length < 3; one = one.parentElement) {
      path.unshift(name(one));
    }
    return path.join(" > ");
  };
  const report = (rule, element, text, detail) => {
    const key = rule + where(element) + detail;
    if (seen.has(key)) { return; }
    seen.add(key);
    faults.push({ rule, where: where(element), text: text.trim().replace(/\s+/g, " ").slice(0, 60), detail });
  };
  const px = (value) => Math.round(value) + "px";
  const is = (element, selector) => selector !== "" && element.matches(selector);

  // What follows from an element and those around it is found once for all that stand in it.
  const once = (find) => {
    const found = new WeakMap();
    return (element) => {
      if (!found.has(element)) { found.set(element, find(element)); }
      return found.get(element);
    };
  };
  const styleOf = once((element) => getComputedStyle(element));
  const boxOf = once((element) => element.getBoundingClientRect());

  // --- What can be seen at all ---

  const isShown = once((element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }));
  const isForReadersOnly = once((element) => {
    if (!element || element === page) { return false; }
    const box = boxOf(element);
    const isTiny = box.width <= 1.5 && box.height <= 1.5 && styleOf(element).overflowX !== "visible";
    return isTiny || (element.parentElement ? isForReadersOnly(element.parentElement) : false);
  });
  const isPutAside = once((element) => {
    if (element === page) { return false; }
    const box = boxOf(element);
    const isOutside = box.right <= 0 || box.left >= width || box.bottom <= 0 || box.top >= window.innerHeight;
    const isAway = styleOf(element).position === "fixed" && isOutside;
    return isAway || (element.parentElement ? isPutAside(element.parentElement) : false);
  });

  // --- Nothing is cut, nothing is wider than its window ---

  // The boxes around an element that cut or scroll what is in it, from the inside to the outside. What is placed
  // absolutely is not cut by a box that does not place it.
  const boxesAround = once((element) => {
    const around = [];
    let isPlacedFurtherOut = false;
    for (let one = element; one && one !== page; one = one.parentElement) {
      const style = styleOf(one);
      const cuts = style.overflowX !== "visible" || style.overflowY !== "visible";
      const places = style.position !== "static" || style.transform !== "none";
      if (isPlacedFurtherOut && places) { isPlacedFurtherOut = false; }
      if (cuts && !isPlacedFurtherOut && one !== document.body) { around.push(one); }
      if (style.position === "fixed") { break; }
      if (style.position === "absolute") { isPlacedFurtherOut = true; }
    }
    return around;
  });
  const innerOf = once((element) => {
    const edge = boxOf(element);
    const [left, top] = [edge.left + element.clientLeft, edge.top + element.clientTop];
    return { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight };
  });
  const isCut = (overflow) => overflow === "hidden" || overflow === "clip";

  const checkReach = (element, box, text) => {
    let { left, right, top, bottom } = box;
    const high = (bottom - top) * 0.4;
    for (const one of boxesAround(element)) {
      const style = styleOf(one);
      const inner = innerOf(one);
      const sideways = right > inner.right + SLACK || left < inner.left - SLACK;
      const upright = bottom > inner.bottom + high || top < inner.top - high;
      if (sideways && isCut(style.overflowX)) {
        if (style.textOverflow === "ellipsis" && is(one, declared.ellipses)) { return; }
        report("text is cut", one, text, px(right - left) + " of text in " + px(inner.right - inner.left));
        return;
      }
      if (upright && isCut(style.overflowY)) {
        if (is(one, declared.ellipses) || is(one, declared.columns)) { return; }
        report("text is cut", one, text, "below its box of " + px(inner.bottom - inner.top));
        return;
      }
      if (sideways && style.overflowX !== "visible" && !is(one, declared.scrollers)) {
        report("has to be scrolled sideways", one, text, px(one.scrollWidth) + " in " + px(one.clientWidth));
        return;
      }
      left = Math.max(left, inner.left); right = Math.min(right, inner.right);
      top = Math.max(top, inner.top); bottom = Math.min(bottom, inner.bottom);
    }
    if (right > width + SLACK || left < -SLACK) {
      report("is wider than its window", element, text, "reaches to " + px(right) + " of " + px(width));
    }
  };

  const checkPage = () => {
    if (page.scrollWidth <= width + SLACK) { return; }
    let widest = document.body;
    for (const one of document.body.querySelectorAll("*")) {
      if (isShown(one) && one.getBoundingClientRect().right >= widest.getBoundingClientRect().right) { widest = one; }
    }
    report("is wider than its window", widest, "", "the page is " + px(page.scrollWidth) + " of " + px(width));
  };

  // --- No column of text is narrower than four characters ---

  const blockOf = once((element) => {
    const isInline = /^(inline|contents)$/.test(styleOf(element).display);
    return isInline && element.parentElement ? blockOf(element.parentElement) : element;
  });
  const checkColumn = (element, boxes, text) => {
    const lines = new Set(boxes.map((box) => Math.round(box.bottom / 4)));
    if (lines.size < 2) { return; }
    const letters = text.trim().replace(/\s+/g, " ").length;
    const letter = boxes.reduce((sum, box) => sum + box.width, 0) / Math.max(letters, 1);
    const block = blockOf(element);
    const style = styleOf(block);
    const room = block.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (room < 4 * letter - SLACK) {
      report("is narrower than four characters", block, text, px(room) + " for letters of " + px(letter));
    }
  };

  // --- List items stand below one another ---

  const checkLists = () => {
    for (const list of document.querySelectorAll("ol, ul")) {
      if (!isShown(list) || is(list, declared.rows)) { continue; }
      const items = [...list.children].filter((one) => one.tagName === "LI" && isShown(one));
      const boxes = items.map((one) => one.getBoundingClientRect());
      for (let i = 1; i < boxes.length; i += 1) {
        if (boxes[i].height > 0 && boxes[i - 1].height > 0 && boxes[i].top < boxes[i - 1].bottom - SLACK) {
          report("list items stand beside one another", list, items[i].textContent, "item " + (i + 1));
          break;
        }
      }
    }
  };

  // --- Text stands out from what is behind it ---

  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const colour = (text) => {
    if (!known.has(text)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = text;
      brush.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
      known.set(text, [red, green, blue, alpha / 255]);
    }
    return known.get(text);
  };
  const over = (upper, lower) => [0, 1, 2].map((i) => upper[i] * upper[3] + lower[i] * (1 - upper[3])).concat(1);
  const light = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = styleOf(page).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches
    ? [18, 18, 18, 1] : [255, 255, 255, 1];
  // null where a picture lies behind the text: its colours are not known here.
  const backOf = once((element) => {
    const style = styleOf(element);
    if (style.backgroundImage !== "none") { return null; }
    const layer = colour(style.backgroundColor);
    if (layer[3] === 1) { return layer; }
    const lower = element.parentElement ? backOf(element.parentElement) : ground;
    return lower && over(layer, lower);
  });
  const faded = once((element) =>
    parseFloat(styleOf(element).opacity) * (element.parentElement ? faded(element.parentElement) : 1));
  const checkContrast = (element, text) => {
    if (element.closest(":disabled, [aria-disabled=true]")) { return; }
    const style = styleOf(element);
    const back = backOf(element);
    if (!back) { return; }
    const ink = [...colour(style.color)];
    ink[3] *= faded(element);
    const [one, other] = [light(over(ink, back)), light(back)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight, 10) >= 700);
    if (ratio < (isLarge ? 3 : 4.5) - 0.01) {
      report("hardly stands out", element, text, ratio.toFixed(2) + ":1, " + style.color + " on rgb(" +
        back.slice(0, 3).map(Math.round).join(", ") + ")");
    }
  };

  // --- All of it, once ---

  const checkText = (node) => {
    const element = node.parentElement;
    if (!isShown(element) || element.closest(declared.unmeasured)) { return; }
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width > 0.5 && box.height > 0.5);
    if (!boxes.length || isForReadersOnly(element) || isPutAside(element)) { return; }
    for (const box of boxes) { checkReach(element, box, node.data); }
    checkColumn(element, boxes, node.data);
    checkContrast(element, node.data);
  };
  const checkField = (field) => {
    const box = field.getBoundingClientRect();
    if (!isShown(field) || !box.width || isForReadersOnly(field) || isPutAside(field)) { return; }
    checkReach(field.parentElement, box, field.name || field.type);
    if (field.value && !/^(checkbox|radio|range|color|hidden|file)$/.test(field.type)) {
      checkContrast(field, field.name || field.type);
    }
  };

  for (const one of document.querySelectorAll("details")) { one.open = true; }
  window.scrollTo(0, 0);
  checkPage();
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode;
    const holder = node.parentElement;
    if (node.data.trim() && !/^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE|OPTION|OPTGROUP|TEXTAREA)$/.test(holder.tagName)) {
      checkText(node);
    }
  }
  for (const field of document.querySelectorAll("input, select, textarea")) { checkField(field); }
  checkLists();
  return faults;
}
