// Numbers that are the same for the same seed, scenario and iteration, whichever user of k6 runs it.
import exec from 'k6/execution';
import { run } from './options.js';

function hashed(text) {
  let hash = 0x811c9dc5; // FNV-1a
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

// mulberry32: 32 bits of state, enough for the shape of a request.
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function ofIteration() {
  const { name, iterationInTest } = exec.scenario;
  return generator(hashed(`${run.seed}:${name}:${iterationInTest}`));
}

export function ofSetup() {
  return generator(hashed(`${run.seed}:setup`));
}
