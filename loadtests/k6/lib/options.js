// What the plan says: scenarios, thresholds and facts of the run. Only `amas loadtest` writes that file.
if (!__ENV.LOADTEST_OPTIONS) {
  throw new Error('a load test is run by `amas loadtest run`, which plans and guards it');
}

const file = JSON.parse(open(__ENV.LOADTEST_OPTIONS));

export const options = file.options;
export const run = file.run;
export const ingestKey = __ENV.LOADTEST_INGEST_KEY;
export const readKey = __ENV.LOADTEST_READ_KEY;
