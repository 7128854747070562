// @ts-check
/** The one dialog: a question with fields, and the key where it is wanted. */

import { Failed } from "./api.js";
import { byId, el, text } from "./dom.js";

/**
 * @typedef {{ name: string, label: string, value?: string, required?: boolean, secret?: boolean, most?: number,
 *   choices?: [string, string][] }} Field
 * @typedef {{ title: string, about: string, go: string, fields: Field[], key: boolean,
 *   act: (values: Record<string, string>) => Promise<void> }} Question
 */

export class Ask {
  /** @type {Question | null} */
  #question = null;
  #busy = false;

  /** @param {import("./api.js").Api} api @param {() => void} keyChanged */
  constructor(api, keyChanged) {
    this.api = api;
    this.keyChanged = keyChanged;
    this.dialog = byId("ask");
    byId("ask-cancel").addEventListener("click", () => this.dialog.close());
    byId("ask-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#go();
    });
    // A key typed and not used is not kept either.
    this.dialog.addEventListener("close", () => byId("ask-fields").replaceChildren());
  }

  /** @param {Question} question */
  open(question) {
    this.#question = question;
    text(byId("ask-title"), question.title);
    text(byId("ask-about"), question.about);
    text(byId("ask-go"), question.go);
    text(byId("ask-problem"), "");
    byId("ask-fields").replaceChildren(...question.fields.map(field));
    if (question.key && !this.api.hasKey) this.#demandKey();
    this.dialog.showModal();
    byId("ask-fields").querySelector("input, select")?.focus();
  }

  #demandKey() {
    const known = byId("ask-fields").querySelector("#ask-field-key");
    if (!known) byId("ask-fields").append(field(KEY));
    return byId("ask-field-key");
  }

  async #go() {
    if (!this.#question || this.#busy) return;
    this.#busy = true;
    text(byId("ask-problem"), "");
    const values = /** @type {Record<string, string>} */ ({});
    for (const input of byId("ask-fields").querySelectorAll("input, select"))
      values[input.id.slice("ask-field-".length)] = input.value.trim();
    if (values.key) this.api.use(values.key);
    try {
      await this.#question.act(values);
      this.dialog.close();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#busy = false;
      this.keyChanged();
    }
  }

  /** @param {unknown} error */
  #refused(error) {
    text(byId("ask-problem"), error instanceof Error ? error.message : String(error));
    if (error instanceof Failed && error.kind === "key") {
      this.api.use("");
      const input = this.#demandKey();
      input.value = "";
      input.focus();
    }
  }
}

/** @type {Field} */
export const KEY = {
  name: "key",
  label: "Admin key (kept in this page's memory only)",
  required: true,
  secret: true,
  most: 512,
};

/** @param {Field} one */
function field(one) {
  const id = `ask-field-${one.name}`;
  const input = one.choices
    ? el("select", { id }, ...one.choices.map(([value, words]) => el("option", { value }, words)))
    : el("input", {
        id,
        type: one.secret ? "password" : "text",
        required: one.required,
        maxlength: one.most ?? 200,
        autocomplete: "off",
        spellcheck: "false",
      });
  if (one.value) input.value = one.value;
  return el("div", { class: "field" }, el("label", { for: id }, one.label), input);
}
