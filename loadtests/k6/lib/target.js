// The last guard, in k6 itself: the service is what the plan took it for, and answers.
import http from 'k6/http';
import exec from 'k6/execution';
import { options, readKey, run } from './options.js';

export function demandTarget() {
  const headers = readKey ? { Authorization: `Bearer ${readKey}` } : {};
  const answer = http.get(`${run.url}/api/about/monitoring`, { headers, tags: { name: 'monitoring' } });
  const told = answer.status === 200 ? answer.json('environment') : `no answer (${answer.status})`;
  if (told !== run.environment) {
    exec.test.abort(`${run.url} is ${told}; the plan was made for ${run.environment}`);
  }
}

export function summary(data) {
  return { [run.summary]: JSON.stringify({ ...data, scenarios: Object.keys(options.scenarios) }) };
}
