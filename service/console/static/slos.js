// @ts-check
/** The SLO table. */

import { byId, cells, el, keyed, pill } from "./dom.js";
import { isIdle } from "./verdict.js";
import { isNumber, measured, NOTHING, share, short } from "./words.js";

const STATES = /** @type {Record<string, [string, string]>} */ ({
  met: ["good", "met"],
  at_risk: ["warn", "at risk"],
  breached: ["bad", "breached"],
  no_data: ["none", "no data"],
});

/** @param {any} answer */
export function show(answer) {
  const rows = Array.isArray(answer?.rows) ? answer.rows : [];
  keyed(
    byId("slos-rows"),
    rows,
    (one) => String(one.id),
    () => el("tr"),
    fill,
  );
}

/** @param {any} row @param {any} one */
function fill(row, one) {
  const [tone, word] = isIdle(one) ? ["none", "idle"] : (STATES[one.state] ?? ["none", short(one.state, 20)]);
  row.dataset.tone = tone;
  const window = one.window ? `${one.window}, ` : "";
  const name = el(
    "span",
    { title: `${window}${one.samples ?? 0} measurements` },
    short(one.name ?? one.id, 80),
  );
  const bound = (/** @type {any} */ value) =>
    isNumber(value) ? `${short(one.operator, 2)} ${measured(value, one.unit)}` : NOTHING;
  const past = one.operator === "<" ? ">" : "<";
  const alertAt = isNumber(one.alertThreshold)
    ? `${past} ${measured(one.alertThreshold, one.unit)}`
    : NOTHING;
  cells(row, [
    pill(tone, word),
    name,
    measured(one.value, one.unit),
    bound(one.target),
    alertAt,
    budget(one.budgetLeft),
  ]);
}

/** @param {any} left */
function budget(left) {
  if (!isNumber(left)) return el("span", {}, NOTHING);
  const tone = left <= 0 ? "bad" : left < 0.25 ? "warn" : "good";
  const bar = el(
    "span",
    { class: "budget", "data-tone": tone },
    el("span", { class: "track", "aria-hidden": "true" }, el("span")),
    el("b", {}, share(left)),
  );
  bar.querySelector(".track > span").style.width = share(left);
  return bar;
}
