// @ts-check
/** The service's HTTP contract as the page uses it. */

const TIMEOUT_MS = 8000;
/** What a load balancer says for a service that is not there. */
const NOBODY = [502, 503, 504];

/** Why there is no answer: nobody there, no such route, a key is wanted, or refused with a reason. */
export class Failed extends Error {
  /**
   * @param {"unreachable" | "missing" | "key" | "refused"} kind
   * @param {string} message
   * @param {number} [status]
   */
  constructor(kind, message, status = 0) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** The key lives in this object and nowhere else. */
export class Api {
  /** @type {string} */
  #key = "";

  get hasKey() {
    return this.#key !== "";
  }

  /** @param {string} key */
  use(key) {
    this.#key = key.trim();
  }

  /** @param {string} path */
  async get(path) {
    return (await this.#ask("GET", path)).value;
  }

  /** @param {string} path */
  async answer(path) {
    return this.#ask("GET", path);
  }

  /**
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {object} [body]
   */
  async send(method, path, body) {
    return (await this.#ask(method, path, body)).value;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async #ask(method, path, body) {
    const headers = new Headers({ Accept: "application/json" });
    if (body) headers.set("Content-Type", "application/json");
    if (this.#key) headers.set("Authorization", `Bearer ${this.#key}`);
    let response;
    let value;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      value = await parsed(response);
    } catch {
      throw new Failed("unreachable", "no answer");
    }
    // A service that is not ready answers 503 and tells which dependency is missing.
    if (!response.ok && !value?.dependencies) throw asFailed(response, value);
    if (value === undefined && response.status !== 204) {
      throw new Failed("refused", "the answer is not JSON", response.status);
    }
    return { status: response.status, value, headers: response.headers };
  }
}

/** @param {Response} response */
async function parsed(response) {
  const body = await response.text();
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * @param {Response} response
 * @param {any} problem
 */
function asFailed(response, problem) {
  const { status } = response;
  const said = typeof problem?.detail === "string" ? problem.detail : `HTTP ${status}`;
  if (status === 401 || status === 403) return new Failed("key", said, status);
  if (status === 404 || status === 405) return new Failed("missing", said, status);
  return new Failed(NOBODY.includes(status) ? "unreachable" : "refused", said, status);
}
