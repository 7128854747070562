// One decision, as the runbook's application sends it.
const ACTIONS = ['repeat', 'advance', 'slow-down', 'switch-mode', 'pause'];
const TRIGGERS = ['fatigue', 'streak', 'late_evening', 'low_accuracy', 'goal_met'];
const USERS = 500;

export function decision(random, runId) {
  return {
    decisionId: uuid7(random),
    userId: `user-${runId}-${Math.floor(random() * USERS)}`,
    action: pick(random, ACTIONS),
    durationMs: Math.round(random() * 60000) / 1000,
    stateSnapshot: {
      attention: round4(random()),
      fatigue: round4(random()),
      cognitive: { memory: round4(random()), speed: round4(random()), stability: null },
    },
    difficultyFactors: { length: round4(random()), frequency: round4(random()) },
    triggers: [pick(random, TRIGGERS)],
  };
}

// The time makes it unique between runs, 74 seeded bits within one.
function uuid7(random) {
  const stamp = Date.now().toString(16).padStart(12, '0');
  const [a, b, c, d] = [0xfff, 0x3fff, 0xffffff, 0xffffff].map((most) => Math.floor(random() * (most + 1)));
  const tail = c.toString(16).padStart(6, '0') + d.toString(16).padStart(6, '0');
  const [seven, variant] = [`7${a.toString(16).padStart(3, '0')}`, (0x8000 + b).toString(16)];
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-${seven}-${variant}-${tail}`;
}

export function pick(random, choices) {
  return choices[Math.floor(random() * choices.length)];
}

function round4(value) {
  return Math.round(value * 10000) / 10000;
}
