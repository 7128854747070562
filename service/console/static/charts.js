// @ts-check
/** The live charts: drawn by uPlot where it is installed, and always there as words and tables. */

import { byId, el, keyed, text } from "./dom.js";
import { clock, isNumber, measured, NOTHING } from "./words.js";

/** @typedef {{ key: string, name: string, color: string, dash?: number[] }} Line */
/** @typedef {{ id: string, title: string, unit: string, least: number, lines: Line[] }} Chart */

/** @type {Chart[]} */
const CHARTS = [
  {
    id: "throughput",
    title: "Throughput",
    unit: "req/s",
    least: 1,
    lines: [
      { key: "throughput", name: "requests", color: "--line-1" },
      { key: "decisionsPerSecond", name: "decisions", color: "--line-2", dash: [5, 3] },
    ],
  },
  {
    id: "latency",
    title: "Latency",
    unit: "ms",
    least: 10,
    lines: [
      { key: "p50", name: "P50", color: "--line-2", dash: [2, 3] },
      { key: "p95", name: "P95", color: "--line-1" },
      { key: "p99", name: "P99", color: "--line-3", dash: [7, 3] },
    ],
  },
  {
    id: "errors",
    title: "Error rate",
    unit: "percent",
    least: 1,
    lines: [{ key: "errorRatePercent", name: "5xx", color: "--line-3" }],
  },
  {
    id: "queue",
    title: "Queue",
    unit: "rows",
    least: 10,
    lines: [{ key: "queue", name: "waiting", color: "--line-1" }],
  },
];
const HEIGHT = 150;
/** A table for reading aloud: as many rows as a person would. */
const TABLE_ROWS = 60;

export class Charts {
  /** @param {any} uPlot the library, or null where it is not installed */
  constructor(uPlot) {
    this.panels = CHARTS.map((chart) => new Panel(chart, uPlot));
    byId("charts").append(...this.panels.map((panel) => panel.node));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.panels.forEach((one) => one.draw()),
    );
  }

  /** @param {any} series */
  show(series) {
    for (const panel of this.panels) panel.show(series);
  }
}

/** @returns {Promise<any>} */
export async function library() {
  if (document.documentElement.dataset.charts !== "installed") return null;
  try {
    const { default: uPlot } = await import("./uPlot.esm.js");
    const style = el("link", { rel: "stylesheet", href: new URL("uPlot.min.css", import.meta.url).pathname });
    await new Promise((done) => {
      style.onload = style.onerror = done;
      document.head.append(style);
    });
    return uPlot;
  } catch {
    return null;
  }
}

class Panel {
  /** @type {any} */
  #plot = null;
  /** @type {any[][]} */
  #data = [[]];
  /** The place read by key or pointer; null: the newest. @type {number | null} */
  #place = null;

  /** @param {Chart} chart @param {any} uPlot */
  constructor(chart, uPlot) {
    this.chart = chart;
    this.uPlot = uPlot;
    this.canvas = el("div", { class: "plot" });
    this.missing = el(
      "p",
      { class: "said" },
      uPlot ? "" : "Charts are not installed; the table has the figures.",
    );
    this.readings = chart.lines.map((line) => el("b", {}, NOTHING));
    this.moment = el("span", { class: "moment" });
    const legend = chart.lines.map((line, at) =>
      el(
        "span",
        { class: "line", "data-line": line.color },
        el("i", { "aria-hidden": "true" }),
        `${line.name} `,
        this.readings[at],
      ),
    );
    this.spoken = el("span", { class: "unseen", role: "status" });
    this.rows = el("tbody");
    this.table = el(
      "details",
      { toggle: () => this.#fillTable() },
      el("summary", { "aria-label": `${chart.title} as a table` }, "Table"),
      this.#makeTable(),
    );
    this.node = el(
      "figure",
      {},
      el(
        "figcaption",
        {},
        el("h3", {}, `${chart.title} `, el("small", {}, chart.unit === "percent" ? "%" : chart.unit)),
        el("span", { class: "legend" }, ...legend, this.moment),
      ),
      this.missing,
      this.canvas,
      this.spoken,
      this.table,
    );
    if (uPlot) this.#listen();
  }

  /** @param {any} series */
  show(series) {
    const at = Array.isArray(series?.at) ? series.at : [];
    const values = (/** @type {Line} */ { key }) =>
      at.map((/** @type {any} */ _, /** @type {number} */ place) =>
        isNumber(series[key]?.[place]) ? series[key][place] : null,
      );
    this.#data = [at, ...this.chart.lines.map(values)];
    if (this.#place !== null && this.#place >= at.length) this.#place = null;
    if (this.uPlot) text(this.missing, at.length === 0 ? "No measurements yet." : "");
    if (this.#plot) this.#plot.setData(this.#data);
    else this.draw();
    this.#read();
    this.#fillTable();
  }

  draw() {
    this.#plot?.destroy();
    this.#plot = null;
    const width = this.canvas.clientWidth;
    if (!this.uPlot || width === 0 || this.#data[0].length === 0) return;
    this.#plot = new this.uPlot(this.#options(width), this.#data, this.canvas);
  }

  /** @param {number} width */
  #options(width) {
    const style = getComputedStyle(document.documentElement);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color("--muted"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    const least = this.chart.least;
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      scales: {
        y: {
          range: (/** @type {any} */ _, /** @type {any} */ __, /** @type {number} */ most) => [
            0,
            Math.max(least, (most ?? 0) * 1.1),
          ],
        },
      },
      axes: [
        {
          ...axis,
          size: 26,
          values: (/** @type {any} */ _, /** @type {number[]} */ splits) =>
            splits.map((at) => new Date(at * 1000).toLocaleTimeString("en-GB").slice(0, 5)),
          incrs: [60, 120, 300, 600, 900, 1800, 3600],
        },
        { ...axis, size: 44 },
      ],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      series: [
        {},
        ...this.chart.lines.map((line) => ({
          stroke: color(line.color),
          width: 1.75,
          dash: line.dash,
          points: { show: true, size: 4, filter: alone },
        })),
      ],
      hooks: { setCursor: [(/** @type {any} */ plot) => this.#pointed(plot.cursor.idx)] },
    };
  }

  #listen() {
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "group");
    this.canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    this.canvas.addEventListener("blur", () => this.#move(null));
    new ResizeObserver(() => {
      if (!this.#plot) this.draw();
      else if (this.#plot.width !== this.canvas.clientWidth)
        this.#plot.setSize({ width: this.canvas.clientWidth, height: HEIGHT });
    }).observe(this.canvas);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.#data[0].length - 1;
    const from = this.#place ?? last;
    const to = {
      ArrowLeft: from - 1,
      ArrowRight: from + 1,
      Home: 0,
      End: last,
      PageUp: from - 10,
      PageDown: from + 10,
      Escape: null,
    }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#move(to === null ? null : Math.max(0, Math.min(last, to)));
    if (to !== null) text(this.spoken, `${this.moment.textContent}: ${this.#words()}`);
  }

  /** @param {number | null} place */
  #move(place) {
    this.#place = place;
    const left = place === null ? -10 : this.#plot?.valToPos(this.#data[0][place], "x");
    this.#plot?.setCursor({ left, top: place === null ? -10 : 10 });
    this.#read();
  }

  /** @param {number | null | undefined} place where the pointer is */
  #pointed(place) {
    if (document.activeElement === this.canvas && this.#place !== null) return;
    this.#read(place ?? null);
  }

  /** @param {number | null} [pointed] */
  #read(pointed = null) {
    const place = pointed ?? this.#place;
    const at = place ?? this.#data[0].length - 1;
    this.readings.forEach((node, line) => text(node, measured(this.#data[line + 1][at], this.chart.unit)));
    text(this.moment, place === null ? "" : clock(this.#data[0][at]));
    if (this.uPlot)
      this.canvas.setAttribute(
        "aria-label",
        `${this.chart.title}: ${this.#words()}. Arrow keys read earlier points.`,
      );
  }

  #words() {
    return this.chart.lines.map((line, at) => `${line.name} ${this.readings[at].textContent}`).join(", ");
  }

  #makeTable() {
    const head = ["Time", ...this.chart.lines.map((line) => line.name)];
    return el(
      "div",
      { class: "scroll tall", tabindex: 0, role: "region", "aria-label": `${this.chart.title}, figures` },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el("tr", {}, ...head.map((name, at) => el("th", { scope: "col", class: at ? "n" : null }, name))),
        ),
        this.rows,
      ),
    );
  }

  #fillTable() {
    if (!this.table.open) return;
    const every = Math.max(1, Math.ceil(this.#data[0].length / TABLE_ROWS));
    const places = this.#data[0]
      .map((_, at) => at)
      .reverse()
      .filter((_, at) => at % every === 0);
    keyed(
      this.rows,
      places,
      (at) => String(this.#data[0][at]),
      () => el("tr"),
      (row, at) => {
        const values = this.#data.slice(1).map((line) => measured(line[at], this.chart.unit));
        row.replaceChildren(
          ...[clock(this.#data[0][at]), ...values].map((value, column) =>
            el("td", { class: column ? "n" : null }, value),
          ),
        );
      },
    );
  }
}

/** Points between two gaps, which no line would show. @param {any} plot @param {number} line */
function alone(plot, line) {
  const data = plot.data[line];
  return data
    .map((/** @type {any} */ _, /** @type {number} */ at) => at)
    .filter(
      (/** @type {number} */ at) =>
        data[at] !== null && (data[at - 1] ?? null) === null && (data[at + 1] ?? null) === null,
    );
}
