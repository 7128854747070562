// @ts-check
/** Active alerts and silences, and what a person does about them. */

import { byId, el, keyed, pill, text } from "./dom.js";
import { worstFirst } from "./verdict.js";
import { age, ago, clock, number, short, when } from "./words.js";

const TONES = /** @type {Record<string, string>} */ ({
  critical: "bad",
  high: "bad",
  medium: "warn",
  low: "info",
});
/** More than these in a storm only hide the worst. */
const SHOWN = 50;

/** @type {[string, string][]} */
const DURATIONS = [
  ["30m", "30 minutes"],
  ["1h", "1 hour"],
  ["2h", "2 hours"],
  ["8h", "8 hours"],
  ["24h", "1 day"],
  ["168h", "7 days"],
];

export class Alerts {
  /** Who acts, remembered until the page ends. */
  #by = "";

  /**
   * @param {import("./api.js").Api} api
   * @param {import("./ask.js").Ask} ask
   * @param {() => void} changed
   */
  constructor(api, ask, changed) {
    this.api = api;
    this.ask = ask;
    this.changed = changed;
  }

  /** @param {any} alerts @param {any} silences */
  show(alerts, silences) {
    const known = Array.isArray(alerts);
    const sorted = known ? worstFirst(alerts) : [];
    keyed(
      byId("alerts-list"),
      sorted.slice(0, SHOWN),
      (one) => String(one.id),
      (one) => this.#make(one),
      fill,
    );
    text(byId("alerts-said"), said(known, sorted.length));
    const held = Array.isArray(silences) ? silences : [];
    byId("silences").hidden = held.length === 0;
    keyed(
      byId("silences-list"),
      held,
      (one) => String(one.id),
      (one) => this.#makeSilence(one),
      fillSilence,
    );
  }

  /** @param {any} one */
  #make(one) {
    const named = short(one.ruleId, 80);
    return el(
      "li",
      {},
      el("div", { class: "what" }, el("span", { class: "badge" }), el("b"), el("span", { class: "numbers" })),
      el("p", { class: "facts" }),
      el(
        "div",
        { class: "acts" },
        el(
          "button",
          { type: "button", "aria-label": `Acknowledge ${named}`, click: () => this.#acknowledge(one) },
          "Acknowledge",
        ),
        el(
          "button",
          { type: "button", "aria-label": `Silence ${named}`, click: () => this.#silence(one) },
          "Silence…",
        ),
      ),
    );
  }

  /** @param {any} one */
  #makeSilence(one) {
    const end = () => this.#end(one);
    return el(
      "li",
      {},
      el("span"),
      el("button", { type: "button", "aria-label": `End the silence of ${matched(one)}`, click: end }, "End"),
    );
  }

  /** @param {any} one */
  #acknowledge(one) {
    this.ask.open({
      title: "Acknowledge",
      about: short(one.message),
      go: "Acknowledge",
      key: true,
      fields: [this.#who(), { name: "comment", label: "Comment", most: 500 }],
      act: async ({ by, comment }) => {
        this.#by = by;
        await this.api.send("POST", `/api/alerts/${encodeURIComponent(one.id)}/ack`, { by, comment });
        this.changed();
      },
    });
  }

  /** @param {any} one */
  #silence(one) {
    this.ask.open({
      title: "Silence",
      about: short(one.message),
      go: "Silence",
      key: true,
      fields: [
        {
          name: "match",
          label: "What",
          choices: [
            ["ruleId", `rule ${short(one.ruleId, 60)}`],
            ["metric", `metric ${short(one.metric, 60)}`],
          ],
        },
        { name: "duration", label: "For", choices: DURATIONS, value: "1h" },
        this.#who(),
        { name: "comment", label: "Reason", required: true, most: 500 },
      ],
      act: async ({ match, duration, by, comment }) => {
        this.#by = by;
        const matchers = { [match]: match === "metric" ? one.metric : one.ruleId };
        await this.api.send("POST", "/api/alerts/silences", { matchers, comment, createdBy: by, duration });
        this.changed();
      },
    });
  }

  /** @param {any} one */
  #end(one) {
    this.ask.open({
      title: "End the silence",
      about: `${matched(one)}: ${short(one.comment)}`,
      go: "End it",
      key: true,
      fields: [],
      act: async () => {
        await this.api.send("DELETE", `/api/alerts/silences/${encodeURIComponent(one.id)}`);
        this.changed();
      },
    });
  }

  /** @returns {import("./ask.js").Field} */
  #who() {
    return { name: "by", label: "Your name", required: true, value: this.#by, most: 80 };
  }
}

/** @param {boolean} known @param {number} count */
function said(known, count) {
  if (!known) return "";
  if (count === 0) return "None.";
  return count > SHOWN
    ? `The ${SHOWN} worst of ${number(count)} are shown; amas storm shows what they have in common.`
    : "";
}

/** @param {any} node @param {any} one */
function fill(node, one) {
  const calm = one.silenced || one.acknowledged;
  node.dataset.tone = calm ? "none" : (TONES[one.severity] ?? "warn");
  const badge = pill(node.dataset.tone, short(one.severity, 20));
  const place = node.querySelector(".badge");
  if (place.firstChild?.isEqualNode(badge) !== true) place.replaceChildren(badge);
  text(node.querySelector("b"), short(one.message));
  text(
    node.querySelector(".numbers"),
    `${number(one.value)} ${short(one.operator, 4)} ${number(one.threshold)}`,
  );
  text(node.querySelector(".facts"), facts(one).join(" · "));
  const acknowledge = node.querySelector("button");
  // Not removed while it may hold the focus.
  acknowledge.disabled = Boolean(one.acknowledged) && document.activeElement !== acknowledge;
}

/** @param {any} one */
function facts(one) {
  const labels = Object.entries(one.labels ?? {})
    .slice(0, 6)
    .map(([name, value]) => `${short(name, 40)}=${short(value, 60)}`);
  const held = one.acknowledged;
  return [
    `since ${clock(one.occurredAt)} (${ago(one.occurredAt)})`,
    short(one.ruleId, 80),
    short(one.metric, 80),
    ...labels,
    one.escalation > 1 && `escalated to level ${number(one.escalation)}`,
    held && `acknowledged by ${short(held.by, 40)}${held.comment ? `: ${short(held.comment, 120)}` : ""}`,
    one.silenced && "silenced",
    one.runbook && `see ${short(one.runbook, 120)}`,
  ].filter(Boolean);
}

/** @param {any} one */
function matched(one) {
  return short(
    Object.entries(one.matchers ?? {})
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
    120,
  );
}

/** @param {any} node @param {any} one */
function fillSilence(node, one) {
  const left = ((when(one.endsAt)?.getTime() ?? NaN) - Date.now()) / 1000;
  text(
    node.firstChild,
    `${matched(one)} · ${age(left)} left · ${short(one.comment, 120)} (${short(one.createdBy, 40)})`,
  );
}
