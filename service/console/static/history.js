// @ts-check
/** What fired and what was resolved, newest first. */

import { byId, cells, el, keyed, pill, text } from "./dom.js";
import { clock, number, short } from "./words.js";

export function path() {
  const severity = byId("history-severity").value;
  return `/api/alerts/history?limit=50${severity ? `&severity=${encodeURIComponent(severity)}` : ""}`;
}

/** @param {any} answer */
export function show(answer) {
  const rows = Array.isArray(answer) ? answer.slice(0, 200) : [];
  text(byId("history-said"), Array.isArray(answer) && rows.length === 0 ? "Nothing has fired." : "");
  keyed(
    byId("history-rows"),
    rows,
    (one) => `${one.id} ${one.status} ${one.occurredAt}`,
    () => el("tr"),
    (row, one) => {
      const status = pill(one.status === "resolved" ? "good" : "warn", short(one.status, 20));
      cells(row, [
        clock(one.occurredAt),
        status,
        pill("none", short(one.severity, 20)),
        short(one.ruleId, 60),
        number(one.value),
        short(one.message),
      ]);
    },
  );
}
