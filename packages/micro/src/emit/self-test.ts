// The self-test that a device runs at boot and after an update: vectors and expected outputs as constants, compared on the spot.
import { SanderlingError } from '@sanderling/kit';
import { elementTypes, type ElementType } from '../ir.ts';
import type { Elements, SelfTestOptions } from '../options.ts';
import { block, indented, literal, loop, type Lines } from './c-text.ts';
import type { Constants } from './constants.ts';
import { placeNames, selfTestSignature, type CInterface, type Port } from './interface.ts';

/** The largest number of vectors. */
const mostVectors = 64;

/** @throws INVALID_ARGUMENT for vectors that do not fit the model. */
export function selfTestText(face: CInterface, options: SelfTestOptions, constants: Constants): Lines {
  const { vectors, absolute = 1e-4, relative = 1e-3 } = options;
  if (vectors.length === 0 || vectors.length > mostVectors)
    wrong('vectors', `${vectors.length} self-test vectors were given; 1 to ${mostVectors} are possible`);
  if (!(absolute >= 0 && relative >= 0)) wrong('absolute', 'tolerances are not negative numbers');
  const places = placeNames(face);
  const add = (stem: string, dtype: ElementType, values: ArrayLike<number | bigint>): string =>
    constants.pointer(constants.add(stem, dtype, values));
  const steps = vectors.flatMap(({ inputs, outputs }, index): Lines => {
    const given = face.inputs.map((port) => add(`test_${index}_${port.c}`, port.dtype, elements(port, inputs, index)));
    const call = [...places, ...given, ...face.outputs.map(({ c }) => `room->${c}`)].join(', ');
    const checks = face.outputs.flatMap((port): Lines => {
      const expected = add(`test_${index}_${port.c}`, port.dtype, elements(port, outputs, index));
      const differs = difference(port, expected, { absolute, relative });
      return loop('i', port.count, block(`if (${differs})`, [`return ${index + 1};`]));
    });
    return [`${face.prefix}_run(${call});`, ...checks];
  });
  const reset = face.states.length > 0 ? [`${face.prefix}_reset(state${face.resetWeights ? ', weights' : ''});`] : [];
  return [selfTestSignature(face), '{', ...indented([...reset, ...steps, ...reset, 'return 0;']), '}', ''];
}

function difference({ c, dtype }: Port, expected: string, tolerance: { absolute: number; relative: number }): string {
  if (elementTypes[dtype].kind !== 'float') return `room->${c}[i] != ${expected}[i]`;
  const wanted = `(double)${expected}[i]`;
  const [absolute, relative] = [literal(tolerance.absolute, 'float64'), literal(tolerance.relative, 'float64')];
  return `!(fabs((double)room->${c}[i] - ${wanted}) <= ${absolute} + ${relative} * fabs(${wanted}))`;
}

function elements({ name, count, dtype }: Port, given: Elements, vector: number): ArrayLike<number | bigint> {
  const data = Object.hasOwn(given, name) ? given[name] : undefined;
  if (!data) wrong(name, `self-test vector ${vector} does not say "${name}"`);
  if (data.length !== count)
    wrong(name, `self-test vector ${vector} has ${data.length} elements for "${name}", not ${count}`);
  const wide = dtype === 'int64' || dtype === 'uint64';
  for (const element of data)
    if (!Number.isFinite(Number(element)) || (typeof element === 'bigint') !== wide)
      wrong(name, `self-test vector ${vector}: ${element} is no finite ${dtype} for "${name}"`);
  return data;
}

function wrong(where: string, message: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', message, { where: `selfTest.${where}` });
}
