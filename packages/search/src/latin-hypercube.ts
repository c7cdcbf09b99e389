// A first generation that covers every range evenly: Latin hypercube sampling (McKay, Beckman & Conover 1979).
import { createRandom } from '@sanderling/kit';
import type { Study } from './algorithm.ts';
import { buildParams, fromUnit } from './coordinate.ts';
import type { Params } from './space.ts';

/** The sample with number `index` of a design of `count`: in every dimension each of `count` equal strata is used once. */
export function latinHypercube(study: Study, count: number, index: number): Params {
  const within = createRandom(study.seed, `latin-${index}`);
  return buildParams(study.space, (parameter) => {
    const strata = createRandom(study.seed, `strata-${count}-${parameter.name}`).shuffle(range(count));
    const unit = (strata[index]! + within.next()) / count;
    if (parameter.kind !== 'choice') return fromUnit(parameter, unit);
    return parameter.options[Math.floor(unit * parameter.options.length)]!;
  });
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
