// Decisions to read back: put there before the load begins.
import { fail } from 'k6';
import { post } from './client.js';
import { run } from './options.js';
import { ofSetup } from './random.js';
import { decision, pick } from './trace.js';

const HOT = 40;
const COLD = 400;
// Of all reads, how many are of what has been read before; the rest begin cold and warm up as the run goes.
const REPEATED = 0.8;

export function store() {
  const random = ofSetup();
  const decisions = Array.from({ length: HOT + COLD }, () => decision(random, run.id));
  if (post(decisions).status !== 200) fail('the decisions to read back could not be stored');
  return decisions.map((one) => one.decisionId);
}

export function anyOf(ids, random) {
  return pick(random, random() < REPEATED ? ids.slice(0, HOT) : ids.slice(HOT));
}
