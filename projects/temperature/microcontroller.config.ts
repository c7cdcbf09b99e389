// The same project on a microcontroller: an STM32H745-class board runs the int8 model, watches it, and is updated over its link.
import { beats, choice, defineProject, flash, int, latency, notWorseThanChampion, quantiseInt8, ram } from 'sanderling';
import room from './sanderling.config.ts';

export default defineProject({
  ...room,
  description: 'A sensor on a microcontroller; the next steps are forecast there.',

  // Small networks: what is chosen runs in kilobytes.
  search: {
    ...room.search,
    trials: 12,
    space: { hidden: int(6, 16), window: choice(24, 36) },
  },

  gates: [
    beats('persistence', { byPercent: 10 }),
    beats('seasonal-naive', { byPercent: 10 }),
    notWorseThanChampion({ marginPercent: 2, confidence: 0.95 }),
    ram({ maxKb: 64 }),
    flash({ maxKb: 128 }),
    latency({ maxMs: 2, target: 'stm32h745' }),
  ],

  optimise: ['fold-constants', quantiseInt8({ calibration: 'minmax', budget: 0.05 })],
  targets: ['stm32h745'],
});
