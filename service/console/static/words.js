// @ts-check
/** Numbers, times and ages as people on call read them. */

export const NOTHING = "–";

/** @param {unknown} value */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/**
 * Three figures at most behind small numbers, thousands apart in large ones.
 * @param {any} value
 */
export function number(value) {
  if (!isNumber(value)) return NOTHING;
  const size = Math.abs(value);
  if (size > 0 && size < 0.01) return String(Number(value.toPrecision(2)));
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

const UNITS = /** @type {Record<string, string>} */ ({
  percent: "%",
  "%": "%",
  ms: " ms",
  s: " s",
  "req/s": " req/s",
  rps: " req/s",
  "requests/s": " req/s",
  mb: " MB",
});

/**
 * @param {any} value
 * @param {any} unit
 */
export function measured(value, unit) {
  if (!isNumber(value)) return NOTHING;
  const known = UNITS[String(unit ?? "").toLowerCase()];
  return number(value) + (known ?? (unit ? ` ${short(unit, 12)}` : ""));
}

/** @param {any} value of 0 to 1 */
export function share(value) {
  return isNumber(value) ? `${Math.round(Math.max(0, Math.min(1, value)) * 100)}%` : NOTHING;
}

/** @param {any} seconds */
export function age(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  const whole = Math.max(0, seconds);
  if (whole < 1) return `${Math.round(whole * 1000)} ms`;
  if (whole < 90) return `${Math.round(whole)} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 129_600) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}

/** @param {any} size */
export function bytes(size) {
  if (!isNumber(size)) return NOTHING;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = size;
  let place = 0;
  while (value >= 1000 && place < units.length - 1) {
    value /= 1000;
    place += 1;
  }
  return `${number(value)} ${units[place]}`;
}

/** @param {any} moment ISO text, epoch seconds or a Date; @returns {Date | null} */
export function when(moment) {
  if (moment === null || moment === undefined) return null;
  const date =
    moment instanceof Date ? moment : new Date(typeof moment === "number" ? moment * 1000 : moment);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** @param {any} moment the time of day, with the date where it is another day */
export function clock(moment) {
  const date = when(moment);
  if (!date) return NOTHING;
  const time = date.toLocaleTimeString("en-GB");
  return date.toDateString() === new Date().toDateString()
    ? time
    : `${date.toLocaleDateString("en-CA")} ${time}`;
}

/** @param {any} moment */
export function ago(moment) {
  const date = when(moment);
  return date ? `${age((Date.now() - date.getTime()) / 1000)} ago` : NOTHING;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/**
 * Text from outside, cut to what a line can hold.
 * @param {any} value
 * @param {number} [most]
 */
export function short(value, most = 240) {
  const whole =
    typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
  return whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
}
