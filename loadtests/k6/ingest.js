// Decisions, one a request.
import { sleep } from 'k6';
import { onTime, post } from './lib/client.js';
import { options, run } from './lib/options.js';
import { ofIteration } from './lib/random.js';
import { demandTarget, summary } from './lib/target.js';
import { decision } from './lib/trace.js';

export { options };

export function setup() {
  demandTarget();
}

export default function ingest() {
  onTime();
  post([decision(ofIteration(), run.id)]);
  if (run.think_s) sleep(run.think_s);
}

export const handleSummary = summary;
