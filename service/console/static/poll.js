// @ts-check
/** Asks for everything the page shows, again and again, and knows how old each answer is. */

import { Failed } from "./api.js";

export const EVERY_MS = 5000;
const HIDDEN_MS = 60_000;
const LONGEST_MS = 60_000;
/** Older than this many rounds is stale. */
const STALE_ROUNDS = 3;

/**
 * One address and its last answer.
 * @typedef {{ path: () => string, everyMs: number, value: any, at: number, askedAt: number,
 *   failed: Failed | null }} Source
 */

/**
 * Full jitter would let a page wait for nothing; half keeps many pages from asking at once.
 * @param {number} failures in a row
 * @param {() => number} random of 0 to 1
 */
export function delayMs(failures, random) {
  const whole = Math.min(LONGEST_MS, EVERY_MS * 2 ** Math.max(0, failures - 1));
  return failures === 0 ? EVERY_MS : whole / 2 + (random() * whole) / 2;
}

export class Poll {
  /** When the service stopped answering; null while it does. @type {number | null} */
  unreachableSince = null;
  /** @type {number | null} */
  nextAt = null;
  #failures = 0;
  #timer = 0;
  #running = false;
  #again = false;

  /**
   * @param {import("./api.js").Api} api
   * @param {Record<string, { path: () => string, everyMs?: number }>} addresses
   * @param {() => void} changed
   */
  constructor(api, addresses, changed) {
    this.api = api;
    this.changed = changed;
    /** @type {Record<string, Source>} */
    this.sources = {};
    for (const [name, { path, everyMs = EVERY_MS }] of Object.entries(addresses)) {
      this.sources[name] = { path, everyMs, value: null, at: 0, askedAt: 0, failed: null };
    }
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
  }

  /**
   * Ask at once: all, or what is named.
   * @param {...string} names
   */
  now(...names) {
    for (const name of names.length ? names : Object.keys(this.sources)) this.sources[name].askedAt = 0;
    if (this.#running) this.#again = true;
    else void this.#round();
  }

  /**
   * @param {string} name
   * @param {number} [now]
   */
  isStale(name, now = Date.now()) {
    const { at, everyMs } = this.sources[name];
    return at > 0 && now - at > STALE_ROUNDS * everyMs + 1000;
  }

  async #round() {
    clearTimeout(this.#timer);
    this.#running = true;
    this.nextAt = null;
    const started = Date.now();
    // A little early is on time: rounds take a while themselves.
    const due = Object.values(this.sources).filter(
      (one) => this.unreachableSince !== null || started - one.askedAt >= one.everyMs - EVERY_MS / 2,
    );
    await Promise.all(due.map((one) => this.#ask(one)));
    this.#judge();
    this.#running = false;
    const wait = document.hidden ? HIDDEN_MS : delayMs(this.#failures, Math.random);
    this.nextAt = Date.now() + (this.#again ? 0 : wait);
    this.changed();
    this.#timer = setTimeout(() => this.#round(), this.#again ? 0 : wait);
    this.#again = false;
  }

  /** @param {Source} source */
  async #ask(source) {
    source.askedAt = Date.now();
    const path = source.path();
    try {
      const value = await this.api.get(path);
      if (path !== source.path()) return;
      source.value = value;
      source.at = Date.now();
      source.failed = null;
    } catch (error) {
      source.failed = error instanceof Failed ? error : new Failed("refused", String(error));
      // What a route no longer has is not to be shown as if it were.
      if (source.failed.kind === "missing" || source.failed.kind === "key") source.value = null;
    }
  }

  /** By the one route that touches no store: what others lack is said where it is shown. */
  #judge() {
    if (this.sources.health.failed?.kind === "unreachable") {
      this.#failures += 1;
      this.unreachableSince ??= this.sources.health.at || Date.now();
    } else {
      this.#failures = 0;
      this.unreachableSince = null;
    }
  }
}
