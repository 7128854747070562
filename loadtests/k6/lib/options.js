// What the plan says: scenarios, thresholds and facts of the run. Only `amas loadtest` writes that file.
if (!__ENV.LOADTEST_OPTIONS) {
  throw new Error('a load test is run by `amas loadtest run`, which plans and guards it');
}

const file = JSON.parse(open(__ENV.LOADTEST_OPTIONS));

export const options = file.options;
export const run = file.run;

const keys = JSON.parse(open(__ENV.LOADTEST_KEYS));
export const ingestKey = keys.ingest;
export const readKey = keys.read;
