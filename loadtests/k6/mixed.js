// The runbook's traffic: decisions, insights read back, polls of alerts and metrics.
import { sleep } from 'k6';
import { insight, onTime, post, read } from './lib/client.js';
import { options, run } from './lib/options.js';
import { ofIteration } from './lib/random.js';
import { anyOf, store } from './lib/stored.js';
import { demandTarget, summary } from './lib/target.js';
import { decision } from './lib/trace.js';

export { options };

export function setup() {
  demandTarget();
  return store();
}

export default function mixed(ids) {
  onTime();
  const random = ofIteration();
  const draw = random();
  if (draw < 0.5) post([decision(random, run.id)]);
  else if (draw < 0.95) insight(anyOf(ids, random));
  else if (draw < 0.99) read('alerts', '/api/alerts/active');
  else read('metrics', '/api/about/metrics/prometheus');
  if (run.think_s) sleep(run.think_s);
}

export const handleSummary = summary;
