// An open model: as many requests a second as asked for, however slow the answers are. Two of three store a decision,
// the third reads one back. Each failure is a line of JSON with its moment; nothing is tried again.
import http from 'k6/http'
import { Counter } from 'k6/metrics'
import exec from 'k6/execution'

const accepted = new Counter('accepted')
const url = __ENV.AMAS_TARGET
const run = __ENV.AMAS_RUN_ID
const keys = JSON.parse(open(__ENV.LOADTEST_KEYS))
const posting = {
  headers: {
    Authorization: `Bearer ${keys.ingest}`,
    'Content-Type': 'application/json',
    'X-Amas-Run-Id': run,
  },
}
const reading = { headers: { Authorization: `Bearer ${keys.read}`, 'X-Amas-Run-Id': run } }

export const options = {
  insecureSkipTLSVerify: true,
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.AMAS_RATE),
      timeUnit: '1s',
      duration: '15m', // ended by a signal
      preAllocatedVUs: 60,
      maxVUs: 600,
      gracefulStop: '15s',
    },
  },
}

let last = null

export default function () {
  const number = exec.scenario.iterationInTest
  if (number % 3 === 2 && last) {
    note(http.get(`${url}/api/insights/${last}`, reading))
    return
  }
  const decisionId = `${run}-${number}`
  const trace = {
    decisionId,
    userId: `u${number % 50}`,
    occurredAt: new Date().toISOString(),
    action: 'show-word',
    durationMs: 1,
  }
  const answer = http.post(`${url}/api/decisions`, JSON.stringify(trace), posting)
  if (note(answer)) {
    accepted.add(1)
    last = decisionId
  }
}

function note(answer) {
  if (answer.status >= 200 && answer.status < 300) return true
  const { method } = answer.request
  const said = answer.error || String(answer.body).slice(0, 300)
  console.error(JSON.stringify({ at: Date.now(), method, status: answer.status, said }))
  return false
}

export function handleSummary(data) {
  return { [__ENV.AMAS_SUMMARY]: JSON.stringify(data.metrics) }
}
