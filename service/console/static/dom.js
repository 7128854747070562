// @ts-check
/** Making and changing nodes. Data only ever becomes text: nothing here takes markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @param {string} id
 * @returns {any} the element of the page that has it
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [properties]
 *   attributes; a function listens to the event of its name
 * @param {...Child} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Changes text only where it differs: live regions speak, and selections end, at every change.
 * @param {Element} node
 * @param {unknown} value
 */
export function text(node, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/**
 * Makes the children of `parent` those of `items`, one node for each key for as long as it is there, so that
 * focus, selection and open parts outlive an update.
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => any} make
 * @param {(node: any, item: T) => void} [fill]
 */
export function keyed(parent, items, keyOf, make, fill = () => {}) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Map(items.map((item) => [keyOf(item), item]));
  const here = new Map();
  for (const node of /** @type {any[]} */ ([...parent.children])) {
    if (wanted.has(node.dataset.key)) here.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const [key, item] of wanted) {
    let node = here.get(key);
    if (!node) {
      node = make(item);
      node.dataset.key = key;
    }
    if (place && node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    fill(node, item);
  }
  // A node that was moved has lost it.
  if (focused?.isConnected && document.activeElement !== focused)
    /** @type {any} */ (focused).focus({ preventScroll: true });
}

/**
 * A row of a table: as many cells as texts, changed in place. Cell classes come from the table's head.
 * @param {any} row
 * @param {unknown[]} values
 */
export function cells(row, values) {
  const heads = row.closest("table")?.tHead?.rows[0].cells ?? [];
  values.forEach((value, place) => {
    let cell = row.cells[place];
    if (!cell) {
      cell = row.insertCell();
      if (heads[place]?.className) cell.className = heads[place].className;
    }
    if (!(value instanceof Node)) text(cell, value);
    else if (cell.firstChild?.isEqualNode(value) !== true) cell.replaceChildren(value);
  });
}

/**
 * @param {string} tone good, warn, bad, info or none
 * @param {string} word
 */
export function pill(tone, word) {
  return el("span", { class: "pill", "data-tone": tone }, word);
}
