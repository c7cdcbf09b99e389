// Room temperature: forecast the next hours on the device, and learn again by itself when the room changes.
import { beats, defineProject, forecaster, genetic, latency, notWorseThanChampion, on, size } from 'sanderling';

export default defineProject({
  name: 'temperature',
  description: 'A sensor in a room; the next steps are forecast on the device itself.',

  data: { quantity: 'temperature', unit: '°C', newest: 20_000, freshShare: 0.5 },

  // Step, horizon, features and loss suit the readings unless they are said here.
  model: forecaster(),

  search: genetic({
    trials: 24,
    population: 8,
    epochs: 10,
    patience: 2,
    seed: 1,
    // What is searched over, and how far, suits the readings unless `space` says otherwise.
  }),

  gates: [
    beats('persistence', { byPercent: 10 }),
    beats('seasonal-naive', { byPercent: 10 }),
    notWorseThanChampion({ marginPercent: 2, confidence: 0.95 }),
    size({ maxKb: 256 }),
    latency({ maxMs: 2 }),
  ],

  optimise: ['fold-constants'],
  targets: ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64'],

  rollout: { waves: [100], probation: { predictions: 20, minutes: 5, maxErrorRatio: 5 } },

  // The weather alone makes the error swing; twice the usual error is a change.
  drift: { detector: 'page-hinkley', alertRatio: 2, alertAt: 0.7 },

  automations: [
    // The room changed: wait for enough of its new life, learn it, judge the result, and ship it.
    on('drift.alarm', { collect: { readings: 1000 }, run: ['retrain', 'gate', 'roll-out'] }),
  ],
});
