// Random search (Bergstra & Bengio 2012): independent uniform samples, none twice.
import { newParams, streamOf, type Algorithm } from './algorithm.ts';
import { drawParams } from './coordinate.ts';

/** Uniform samples. */
export interface RandomConfig {
  readonly kind: 'random';
}

/** Random search: the baseline that any other algorithm has to beat; never waits. */
export function random(): RandomConfig {
  return Object.freeze({ kind: 'random' });
}

export function createRandomSearch(): Algorithm {
  return {
    propose(id, study) {
      const stream = streamOf(study, id);
      return newParams(study, stream, () => drawParams(study.space, stream));
    },
  };
}
