// Reads of insights by id; four in five of what was read before.
import { sleep } from 'k6';
import { insight, onTime } from './lib/client.js';
import { options, run } from './lib/options.js';
import { ofIteration } from './lib/random.js';
import { anyOf, store } from './lib/stored.js';
import { demandTarget, summary } from './lib/target.js';

export { options };

export function setup() {
  demandTarget();
  return store();
}

export default function insights(ids) {
  onTime();
  insight(anyOf(ids, ofIteration()));
  if (run.think_s) sleep(run.think_s);
}

export const handleSummary = summary;
