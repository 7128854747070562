// What a console and a person on call ask for, again and again.
import { sleep } from 'k6';
import { onTime, read } from './lib/client.js';
import { options, run } from './lib/options.js';
import { ofIteration } from './lib/random.js';
import { demandTarget, summary } from './lib/target.js';
import { pick } from './lib/trace.js';

export { options };

const POLLS = [
  ['alerts', '/api/alerts/active'],
  ['alerts', '/api/alerts/active'],
  ['alerts', '/api/alerts/active'],
  ['alert_history', '/api/alerts/history?limit=50'],
  ['alert_rules', '/api/alerts/rules'],
  ['slo', '/api/about/slo'],
];

export function setup() {
  demandTarget();
}

export default function alerts() {
  onTime();
  read(...pick(ofIteration(), POLLS));
  if (run.think_s) sleep(run.think_s);
}

export const handleSummary = summary;
