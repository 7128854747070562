// @ts-check
/** What is wrong, the worst first, or that nothing is: from the answers alone, without the page. */

import { age, counted, isNumber, measured, short } from "./words.js";

/**
 * @typedef {{ tone: "bad" | "warn", words: string, at: string }} Finding
 * @typedef {{ tone: "good" | "warn" | "bad" | "none", headline: string, findings: Finding[] }} Verdict
 */

const SEVERE = ["critical", "high"];
export const SEVERITIES = [...SEVERE, "medium", "low"];

/**
 * @param {Record<string, any>} known the last answers by name; null where there is none
 * @returns {Verdict}
 */
export function judge(known) {
  const alerts = worstFirst(list(known.alerts)).filter((one) => !one.silenced);
  const slos = list(known.slo?.rows);
  const findings = [
    ...stores(known.ready),
    ...alerts.map(ofAlert),
    ...slos.filter((one) => one.state === "breached").map((one) => ofSlo(one, "bad")),
    ...slos.filter((one) => one.state === "at_risk").map((one) => ofSlo(one, "warn")),
    ...monitoring(known.monitoring),
  ];
  const bad = findings.filter((one) => one.tone === "bad");
  const sorted = [...bad, ...findings.filter((one) => one.tone === "warn")];
  const headline = [alertWords(known.alerts, alerts), sloWords(known.slo, slos)];
  if (alerts.length === 0) headline.reverse();
  const away = stores(known.ready).filter((one) => one.tone === "bad");
  headline.unshift(...away.map((one) => one.words.split(":")[0]));
  const others = sorted.filter((one) => one.at !== "alerts" && one.at !== "slos").length - away.length;
  if (others > 0) headline.push(counted(others, "other finding"));
  return {
    tone: toneOf(known, slos, bad.length, sorted.length),
    headline: headline.join(" · "),
    findings: sorted,
  };
}

/**
 * @param {Record<string, any>} known
 * @param {any[]} slos
 * @param {number} bad
 * @param {number} all
 */
function toneOf(known, slos, bad, all) {
  if (bad > 0) return "bad";
  if (all > 0) return "warn";
  // Nothing known to be wrong is not the same as all well.
  const measures = slos.some((one) => one.state !== "no_data");
  return known.slo && Array.isArray(known.alerts) && measures ? "good" : "none";
}

/** @param {any} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value : [];
}

/** @param {any[]} alerts */
export function worstFirst(alerts) {
  const rank = (/** @type {any} */ one) =>
    (SEVERITIES.indexOf(one.severity) + SEVERITIES.length + 1) % (SEVERITIES.length + 1);
  return [...alerts].sort(
    (a, b) =>
      Number(Boolean(a.silenced)) - Number(Boolean(b.silenced)) ||
      Number(Boolean(a.acknowledged)) - Number(Boolean(b.acknowledged)) ||
      rank(a) - rank(b) ||
      String(a.occurredAt).localeCompare(String(b.occurredAt)),
  );
}

/** @param {any} answer @param {any[]} alerts those that are not silenced */
function alertWords(answer, alerts) {
  if (!Array.isArray(answer)) return "alerts not known";
  const silenced = answer.filter((one) => one.silenced).length;
  const critical = alerts.filter((one) => one.severity === "critical").length;
  const notes = [
    critical > 0 && critical < alerts.length && `${critical} critical`,
    critical > 0 && critical === alerts.length && "critical",
    silenced > 0 && `${silenced} more silenced`,
  ].filter(Boolean);
  return counted(alerts.length, "alert") + (notes.length ? ` (${notes.join(", ")})` : "");
}

/** Measured, and not judged: what nothing was demanded of cannot be missed. @param {any} one */
export function isIdle(one) {
  return one.state === "no_data" && isNumber(one.value);
}

/** @param {any} answer @param {any[]} slos */
function sloWords(answer, slos) {
  if (!answer) return "SLOs not known";
  const of = (/** @type {string} */ state) => slos.filter((one) => one.state === state).length;
  if (of("breached")) return `${counted(of("breached"), "SLO")} breached`;
  if (of("at_risk")) return `${counted(of("at_risk"), "SLO")} at risk`;
  const idle = slos.filter((one) => one.state === "no_data" && !isIdle(one)).length;
  if (of("no_data") === slos.length) return "no SLO has measurements yet";
  return idle ? `${slos.length - idle} of ${slos.length} SLOs met, ${idle} without data` : "All SLOs met";
}

/** @param {any} one @returns {Finding} */
function ofAlert(one) {
  const by = one.acknowledged ? ` (acknowledged by ${short(one.acknowledged.by, 40)})` : "";
  const severe = SEVERE.includes(one.severity) && !one.acknowledged;
  return {
    tone: severe ? "bad" : "warn",
    words: `${short(one.severity, 20)}: ${short(one.message, 160)}${by}`,
    at: "alerts",
  };
}

/** @param {any} one @param {"bad" | "warn"} tone @returns {Finding} */
function ofSlo(one, tone) {
  const target = `target ${short(one.operator, 2)} ${measured(one.target, one.unit)}`;
  return { tone, words: `${short(one.name, 80)} is ${measured(one.value, one.unit)}, ${target}`, at: "slos" };
}

/** @param {any} ready @returns {Finding[]} */
function stores(ready) {
  return Object.entries(ready?.dependencies ?? {})
    .filter(([, one]) => one?.state === "down")
    .map(([name, one]) => ({
      tone: name === "cache" ? "warn" : "bad",
      words: `${short(name, 40)} is away${one.reason ? `: ${short(one.reason, 120)}` : ""}`,
      at: "parts",
    }));
}

/** @param {any} monitor @returns {Finding[]} */
function monitoring(monitor) {
  if (!monitor) return [];
  const { alerts, collector, spool, deadLetters, backup } = monitor;
  /** @type {[unknown, "bad" | "warn", string, string][]} */
  const checks = [
    [alerts?.isRunning === false, "bad", "the alert engine does not run", "parts"],
    [alerts?.lastError, "warn", `the alert engine failed: ${short(alerts?.lastError, 120)}`, "parts"],
    [collector?.isRunning === false, "warn", "the collector does not run: no measurements", "parts"],
    [
      collector?.isRunning && collector.stale,
      "warn",
      `the measurements are old (${age(collector?.ageSeconds)})`,
      "parts",
    ],
    [
      spool?.state === "away",
      "bad",
      "the spool is away: a write has nowhere to go without the database",
      "parts",
    ],
    [
      spool?.length > 0,
      "warn",
      `${counted(spool?.length, "trace")} in the spool, the oldest for ${age(spool?.ageSeconds)}`,
      "parts",
    ],
    [
      deadLetters?.count > 0,
      "warn",
      `${counted(deadLetters?.count, "dead letter")}, the oldest ${age(deadLetters?.ageSeconds)} old`,
      "parts",
    ],
    [
      backup && backup.proof && backup.proof.result !== "passed",
      "bad",
      "the last backup has not passed its proof",
      "care",
    ],
  ];
  const thrown = list(monitor.switches).filter((one) => one.on);
  return [
    ...checks.filter(([holds]) => holds).map(([, tone, words, at]) => ({ tone, words, at })),
    ...thrown.map((one) => ({
      tone: /** @type {const} */ ("warn"),
      words: `switch ${short(one.name, 60)} is on: ${short(one.reason, 120)}`,
      at: "care",
    })),
  ];
}

/** @param {any} monitor the pool of all replicas: used, open, awaited */
export function pool(monitor) {
  const pools = list(monitor?.replicas)
    .map((one) => one.pool)
    .filter((one) => isNumber(one?.open));
  const sum = (/** @type {(one: any) => number} */ of) =>
    pools.reduce((total, one) => total + (of(one) || 0), 0);
  return {
    known: pools.length > 0,
    used: sum((one) => one.open - one.free),
    open: sum((one) => one.open),
    awaited: sum((one) => one.awaited),
  };
}
