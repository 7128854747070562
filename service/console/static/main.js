// @ts-check
/** The page: what it asks for, and which part shows which answer. */

import { Alerts } from "./alerts.js";
import { Api } from "./api.js";
import { Ask, KEY } from "./ask.js";
import { Charts, library } from "./charts.js";
import { byId, el, keyed, text } from "./dom.js";
import * as history from "./history.js";
import { Insights } from "./insights.js";
import * as parts from "./parts.js";
import { Poll } from "./poll.js";
import * as slos from "./slos.js";
import { judge } from "./verdict.js";
import { age, clock, number } from "./words.js";

/** Reasons shown before the parts tell the rest. */
const MOST_REASONS = 6;

const api = new Api();
const ask = new Ask(api, keyChanged);
const poll = new Poll(
  api,
  {
    health: { path: () => "/health" },
    ready: { path: () => "/ready" },
    slo: { path: () => "/api/about/slo" },
    monitoring: { path: () => "/api/about/monitoring" },
    series: { path: () => `/api/about/series?window=${chosenWindow()}` },
    alerts: { path: () => "/api/alerts/active" },
    silences: { path: () => "/api/alerts/silences", everyMs: 15_000 },
    history: { path: history.path, everyMs: 15_000 },
  },
  show,
);
const alerts = new Alerts(api, ask, () => poll.now("alerts", "silences", "history"));
/** @type {Charts | null} */
let charts = null;

/** Which source each section's note speaks of. */
const NOTES = {
  alerts: "alerts",
  slos: "slo",
  parts: "monitoring",
  load: "series",
  replicas: "monitoring",
  care: "monitoring",
  history: "history",
};

function show() {
  const { slo, monitoring, ready, series, alerts: active, silences, history: past } = poll.sources;
  slos.show(slo.value);
  parts.show(monitoring.value, ready.value);
  alerts.show(active.value, silences.value);
  charts?.show(series.value);
  history.show(past.value);
  showVerdict();
  showAges();
}

function showVerdict() {
  const known = Object.fromEntries(Object.entries(poll.sources).map(([name, one]) => [name, one.value]));
  const verdict = judge(known);
  const away = poll.unreachableSince !== null;
  byId("verdict").dataset.tone = away ? "none" : verdict.tone;
  const headline = away ? "The state is not known: the service does not answer" : verdict.headline;
  text(byId("headline"), headline);
  document.title = `${away ? "?" : verdict.tone === "good" ? "✓" : verdict.findings.length || "–"} AMAS console`;
  const shown = away ? [] : verdict.findings.slice(0, MOST_REASONS);
  const rest = verdict.findings.length - shown.length;
  if (rest > 0 && !away) shown.push({ tone: "warn", words: `and ${number(rest)} more`, at: "alerts" });
  keyed(
    byId("reasons"),
    shown,
    (one) => `${one.at} ${one.words}`,
    (one) => el("li", { "data-tone": one.tone }, el("a", { href: `#${one.at}` }, one.words)),
  );
}

/** Everything that gets old by itself, each second. */
function showAges() {
  const since = poll.unreachableSince;
  const newest = Math.max(...Object.values(poll.sources).map((one) => one.at));
  const freshness = byId("freshness");
  freshness.dataset.tone = since !== null ? "bad" : newest ? "good" : "none";
  if (since === null) text(freshness, newest ? `Live · ${clock(new Date(newest))}` : "Asking the service …");
  else
    text(
      freshness,
      poll.nextAt === null ? "Trying …" : `Next try in ${age((poll.nextAt - Date.now()) / 1000)}`,
    );
  byId("retry").hidden = since === null;
  showUnreachable(since, newest);
  for (const [section, name] of Object.entries(NOTES)) showNote(section, name);
}

/** @param {number | null} since @param {number} newest */
function showUnreachable(since, newest) {
  const banner = byId("unreachable");
  // Written once: a live region that changed each second would never stop speaking.
  if (since !== null) {
    const seen = newest
      ? `What is shown below is as of ${clock(new Date(newest))}.`
      : "Nothing has been seen of it since this page was opened.";
    text(banner, `The service is unreachable since ${clock(new Date(since))}. ${seen}`);
  }
  banner.hidden = since === null;
}

/** @param {string} section @param {string} name */
function showNote(section, name) {
  const { failed, at, value } = poll.sources[name];
  const stale = poll.isStale(name) || (poll.unreachableSince !== null && at > 0);
  let words = "";
  if (failed?.kind === "missing") words = "not available";
  else if (failed?.kind === "key") words = "needs a key";
  else if (stale) words = `stale: as of ${clock(new Date(at))}`;
  else if (failed && value === null) words = `not available: ${failed.message}`;
  text(byId(`${section}-note`), words);
  byId(section).toggleAttribute("data-stale", words !== "");
}

function chosenWindow() {
  return /** @type {HTMLInputElement} */ (document.querySelector("input[name=window]:checked")).value;
}

function keyChanged() {
  text(byId("key"), api.hasKey ? "Key: in use" : "Key: none");
}

function askKey() {
  const held = api.hasKey;
  ask.open({
    title: held ? "Forget the key" : "Use a key",
    about: held
      ? "The page holds a key in its memory."
      : "For acknowledging, silencing, and for reading where reads need a key.",
    go: held ? "Forget" : "Use",
    key: false,
    fields: held ? [] : [KEY],
    act: async () => {
      if (held) api.use("");
      poll.now();
    },
  });
}

byId("key").addEventListener("click", askKey);
byId("retry").addEventListener("click", () => poll.now());
byId("history-severity").addEventListener("change", () => poll.now("history"));
for (const choice of document.querySelectorAll("input[name=window]"))
  choice.addEventListener("change", () => poll.now("series"));
new Insights(api);
setInterval(showAges, 1000);
poll.now();
charts = new Charts(await library());
show();
