// @ts-check
/** The parts of the service at a glance: queue, stores, monitor, replicas, switches, backup. */

import { byId, cells, el, keyed, pill, text } from "./dom.js";
import { pool } from "./verdict.js";
import { age, ago, bytes, clock, counted, isNumber, NOTHING, number, short } from "./words.js";

/** @typedef {{ name: string, value: string, note?: string, tone?: string }} Tile */

/** @param {any} monitor @param {any} ready */
export function show(monitor, ready) {
  keyed(byId("parts-list"), tiles(monitor, ready), (one) => one.name, makeTile, fillTile);
  const replicas = Array.isArray(monitor?.replicas) ? monitor.replicas : [];
  keyed(
    byId("replicas-rows"),
    replicas,
    (one) => String(one.id),
    () => el("tr"),
    (row, one) => fillReplica(row, one, monitor),
  );
  showSwitches(monitor);
  text(byId("backup"), backupWords(monitor?.backup));
}

/** @param {any} monitor @param {any} ready @returns {Tile[]} */
function tiles(monitor, ready) {
  const m = monitor ?? {};
  const connections = pool(m);
  const engine = m.alerts ?? {};
  const collector = m.collector ?? {};
  return [
    ...stores(ready),
    {
      name: "Queue",
      value: rows(m.queue?.size),
      note: m.queue?.size > 0 ? `oldest ${age(m.queue?.ageSeconds)}` : "",
    },
    spool(m.spool),
    {
      name: "Dead letters",
      value: number(m.deadLetters?.count),
      tone: m.deadLetters?.count > 0 ? "warn" : "",
      note: m.deadLetters?.count > 0 ? `oldest ${age(m.deadLetters?.ageSeconds)}` : "",
    },
    wal(m.wal),
    { name: "Cache hits", value: percent(m.cache?.hitRatePercent), note: "in 15 min" },
    {
      name: "Pool",
      value: connections.known ? `${connections.used} of ${connections.open}` : NOTHING,
      note: connections.awaited ? `${connections.awaited} waiting` : "connections used",
      tone: connections.awaited ? "warn" : "",
    },
    {
      name: "Alert engine",
      value: running(engine.isRunning),
      note: isNumber(engine.rules) ? `${counted(engine.rules, "rule")}, ${ago(engine.lastRun)}` : "",
      tone: engine.isRunning === false ? "bad" : engine.lastError ? "warn" : "",
    },
    {
      name: "Collector",
      value: running(collector.isRunning),
      note: collector.stale
        ? `stale, ${age(collector.ageSeconds)}`
        : collector.lastRun
          ? ago(collector.lastRun)
          : "",
      tone: collector.isRunning === false || collector.stale ? "warn" : "",
    },
    {
      name: "Overhead",
      value: isNumber(m.overheadMilliseconds) ? `${number(m.overheadMilliseconds * 1000)} µs` : NOTHING,
      note: "a request",
    },
    {
      name: "Leader",
      value: short(m.leader, 24) || (monitor ? "none" : NOTHING),
      note: m.shared === false ? "this replica only" : "",
      tone: monitor && !m.leader ? "warn" : "",
    },
  ];
}

/** @param {any} ready @returns {Tile[]} */
function stores(ready) {
  const known = Object.entries(ready?.dependencies ?? {}).filter(
    ([name]) => name === "database" || name === "cache",
  );
  return known.map(([name, one]) => ({
    name: name === "cache" ? "Cache" : "Database",
    value: one.state === "up" ? "up" : "away",
    note: one.state === "up" ? "" : short(one.reason, 60),
    tone: one.state === "up" ? "" : name === "cache" ? "warn" : "bad",
  }));
}

/** @param {any} spool @returns {Tile} */
function spool(spool) {
  if (!spool) return { name: "Spool", value: NOTHING };
  if (spool.state === "away") return { name: "Spool", value: "away", tone: "bad" };
  const fill = isNumber(spool.fillPercent) ? `${percent(spool.fillPercent)} full` : "";
  const oldest = spool.length > 0 ? `, oldest ${age(spool.ageSeconds)}` : "";
  return {
    name: "Spool",
    value: rows(spool.length),
    note: fill + oldest,
    tone: spool.length > 0 ? "warn" : "",
  };
}

/** The database's log on its way to the backup. @param {any} wal @returns {Tile} */
function wal(wal) {
  const lag = isNumber(wal?.receiverLagBytes) ? `${bytes(wal.receiverLagBytes)} behind` : "";
  if (wal?.slotLost) return { name: "Backup's WAL", value: "has a gap", note: "a full copy is due", tone: "bad" };
  if (wal?.syncDegraded) return { name: "Backup's WAL", value: "not waited for", note: lag, tone: "warn" };
  if (!isNumber(wal?.receiverAgeSeconds)) return { name: "Backup's WAL", value: NOTHING };
  return { name: "Backup's WAL", value: lag, note: `heard ${age(wal.receiverAgeSeconds)} ago` };
}

/** @param {any} count */
function rows(count) {
  return isNumber(count) ? counted(count, "row") : NOTHING;
}

/** @param {any} value */
function percent(value) {
  return isNumber(value) ? `${number(value)}%` : NOTHING;
}

/** @param {any} runs */
function running(runs) {
  return runs === true ? "runs" : runs === false ? "stopped" : NOTHING;
}

function makeTile() {
  return el("div", {}, el("dt"), el("dd", {}, el("b"), el("small")));
}

/** @param {any} node @param {Tile} tile */
function fillTile(node, tile) {
  node.dataset.tone = tile.tone ?? "";
  text(node.querySelector("dt"), tile.name);
  text(node.querySelector("b"), tile.value);
  text(node.querySelector("small"), tile.note ?? "");
}

/** @param {any} row @param {any} one @param {any} monitor */
function fillReplica(row, one, monitor) {
  const marks = [
    one.id === monitor.leader && pill("info", "leader"),
    one.draining && pill("warn", "draining"),
  ];
  const name = el("span", { class: "name" }, short(one.id, 60), ...marks);
  const used = isNumber(one.pool?.open) ? `${one.pool.open - one.pool.free} / ${one.pool.open}` : NOTHING;
  const lag = isNumber(one.eventLoopLagSeconds) ? `${number(one.eventLoopLagSeconds * 1000)} ms` : NOTHING;
  cells(row, [
    name,
    `${age(one.ageSeconds)} ago`,
    number(one.queue?.size),
    used,
    percent(one.cpuPercent),
    bytes(one.rssBytes),
    lag,
  ]);
}

/** @param {any} monitor */
function showSwitches(monitor) {
  const switches = Array.isArray(monitor?.switches) ? monitor.switches : [];
  keyed(
    byId("switches"),
    switches,
    (one) => String(one.name),
    () => el("li", {}, el("span"), el("code"), el("small")),
    (node, one) => {
      const [state, name, why] = node.children;
      state.replaceChildren(pill(one.on ? "warn" : "none", one.on ? "on" : "off"));
      text(name, short(one.name, 80));
      const by = one.by ? ` by ${short(one.by, 40)}` : "";
      text(why, one.on ? `${short(one.reason)} · since ${clock(one.since)}${by}` : "");
    },
  );
}

/** @param {any} backup */
function backupWords(backup) {
  if (!backup) return "Backup: none is known here.";
  const proof = backup.proof;
  const taken = backup.at ? `Last backup ${clock(backup.at)} (${ago(backup.at)})` : "Backup: none yet";
  const size = isNumber(backup.sizeBytes) ? `, ${bytes(backup.sizeBytes)}` : "";
  const state = backup.status ? `, ${short(backup.status, 40)}` : "";
  if (!proof) return `${taken}${size}${state}. No restore proof yet.`;
  const took = isNumber(proof.restoreSeconds) ? `, restored in ${age(proof.restoreSeconds)}` : "";
  return `${taken}${size}${state}. Restore proof ${short(proof.result, 40)} ${clock(proof.at)}${took}.`;
}
