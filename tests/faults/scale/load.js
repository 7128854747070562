// So many clients that each post a decision as soon as the last one is answered: latency grows with the queue.
// Without a run's id: the latency of runs is no measure of what users get, and scales nothing.
// Environment: URL, KEY_FILE, PREFIX, CLIENTS, LASTS.
import http from "k6/http";
import exec from "k6/execution";

const headers = {
  Authorization: `Bearer ${open(__ENV.KEY_FILE).trim()}`,
  "Content-Type": "application/json",
};

export const options = {
  vus: Number(__ENV.CLIENTS),
  duration: __ENV.LASTS,
  summaryTrendStats: ["p(95)", "max"],
};

export default function post() {
  const decisionId = `${__ENV.PREFIX}-${exec.vu.idInTest}-${exec.vu.iterationInScenario}`;
  const trace = {
    decisionId,
    userId: "load",
    occurredAt: new Date().toISOString(),
    action: "show",
    durationMs: 1,
  };
  http.post(`${__ENV.URL}/api/decisions`, JSON.stringify(trace), { headers });
}

export function handleSummary(data) {
  const { http_reqs: requests, http_req_failed: failed, http_req_duration: took } = data.metrics;
  const found = { requests: requests.values.count, failed: failed.values.passes, p95Ms: took.values["p(95)"] };
  return { stdout: `${JSON.stringify(found)}\n` };
}
