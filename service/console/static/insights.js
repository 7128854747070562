// @ts-check
/** One decision by its id, or the newest of a user. */

import { byId, el, text } from "./dom.js";
import { clock, measured, short } from "./words.js";

const FIRST = ["userId", "action", "durationMs", "occurredAt", "createdAt"];

export class Insights {
  /** Answers may come in another order than they were asked for. */
  #asked = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    listen("by-id", () => this.#one(byId("decision-id").value.trim()));
    listen("by-user", () => this.#page(byId("user-id").value.trim(), null));
  }

  /** @param {string} id */
  #one(id) {
    return this.#ask(`/api/insights/${encodeURIComponent(id)}`, ({ status, value, headers }) => {
      if (status === 202)
        return ["The decision is taken and not yet in the database; look again in a moment."];
      const from = headers.get("x-cache") === "hit" ? "from the cache" : "from the database";
      return [`Decision ${short(id, 128)}, ${from}.`, insight(value)];
    });
  }

  /** @param {string} user @param {string | null} cursor */
  #page(user, cursor) {
    const query = new URLSearchParams({ limit: "25" });
    if (user) query.set("userId", user);
    if (cursor) query.set("cursor", cursor);
    return this.#ask(`/api/insights?${query}`, ({ value }) => {
      const items = Array.isArray(value?.items) ? value.items : [];
      const whose = user ? `of ${short(user, 80)}` : "of all users";
      if (items.length === 0) return [`No insights ${whose}.`];
      const older =
        value.nextCursor &&
        el("button", { type: "button", click: () => this.#page(user, value.nextCursor) }, "Older");
      return [`${items.length} insights ${whose}, newest first.`, this.#table(items), older];
    });
  }

  /** @param {any[]} items */
  #table(items) {
    const head = ["Decision", "User", "Action", "Duration", "Happened"].map((name) =>
      el("th", { scope: "col" }, name),
    );
    const rows = items.map((one) => {
      const open = el(
        "button",
        {
          type: "button",
          class: "link",
          click: () => {
            byId("decision-id").value = String(one.decisionId);
            void this.#one(String(one.decisionId));
          },
        },
        short(one.decisionId, 128),
      );
      const rest = [
        short(one.userId, 80),
        short(one.action, 80),
        measured(one.durationMs, "ms"),
        clock(one.occurredAt),
      ];
      return el("tr", {}, el("td", {}, open), ...rest.map((value) => el("td", {}, value)));
    });
    return el(
      "div",
      { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Insights found" },
      el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
    );
  }

  /**
   * @param {string} path
   * @param {(answer: any) => any[]} render what to say, then what to show
   */
  async #ask(path, render) {
    const mine = ++this.#asked;
    text(byId("insights-said"), "Looking …");
    let said;
    let shown = /** @type {any[]} */ ([]);
    try {
      [said, ...shown] = render(await this.api.answer(path));
    } catch (error) {
      said = error instanceof Error ? error.message : String(error);
    }
    if (mine !== this.#asked) return;
    text(byId("insights-said"), said);
    byId("insights-found").replaceChildren(...shown.filter(Boolean));
  }
}

/** @param {string} form @param {() => Promise<void>} ask */
function listen(form, ask) {
  byId(form).addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void ask();
  });
}

/** @param {any} value */
function insight(value) {
  const facts = FIRST.filter((name) => value?.[name] !== undefined).flatMap((name) => {
    const one = value[name];
    const words = name === "durationMs" ? measured(one, "ms") : name.endsWith("At") ? clock(one) : short(one);
    return [el("dt", {}, name), el("dd", {}, words)];
  });
  const whole = JSON.stringify(value, null, 2) ?? "";
  return el(
    "div",
    {},
    el("dl", { class: "facts" }, ...facts),
    el("pre", { tabindex: 0, role: "region", "aria-label": "The insight in JSON" }, short(whole, 100_000)),
  );
}
