// The service's routes as a load test uses them; each call is one request and is counted here alone.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { ingestKey, readKey, run } from './options.js';

const posted = new Counter('decisions_posted');
const accepted = new Counter('decisions_accepted');
// Neither what was asked for nor an honest "not now" (429 or 503 with Retry-After).
const broken = new Rate('answers_broken');
const hits = new Rate('cache_hits');
const late = new Trend('generator_late', true);

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }));

export function post(decisions) {
  const lines = decisions.map((one) => JSON.stringify(one));
  const type = lines.length === 1 ? 'application/json' : 'application/x-ndjson';
  posted.add(lines.length);
  const answer = http.post(`${run.url}/api/decisions`, lines.join('\n'), sent('decisions', ingestKey, type));
  if (judged(answer, [200, 201, 202])) {
    accepted.add(lines.length === 1 ? 1 : taken(answer));
  }
  return answer;
}

export function insight(decisionId) {
  const answer = http.get(`${run.url}/api/insights/${decisionId}`, sent('insight', readKey));
  if (judged(answer, [200, 202])) {
    hits.add(answer.headers['X-Cache'] === 'hit');
  }
}

export function read(name, path) {
  judged(http.get(`${run.url}${path}`, sent(name, readKey)), [200]);
}

// Called first in an iteration: how long after its time it began. Only a steady rate tells that time.
export function onTime() {
  const rate = run.steady[exec.scenario.name];
  if (rate) {
    late.add(Date.now() - exec.scenario.startTime - (exec.scenario.iterationInTest * 1000) / rate);
  }
}

function sent(name, key, type) {
  const headers = { 'X-Amas-Run-Id': run.id };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (type) headers['Content-Type'] = type;
  return { headers, tags: { name }, timeout: '10s' };
}

function judged(answer, good) {
  const isGood = good.includes(answer.status);
  const isHonest = [429, 503].includes(answer.status) && answer.headers['Retry-After'] !== undefined;
  check(answer, { 'answered as documented': () => isGood || isHonest });
  broken.add(!isGood && !isHonest);
  return isGood;
}

function taken(answer) {
  const { stored, duplicate, spooled } = answer.json();
  return stored + duplicate + spooled;
}
