// A loop inside the graph: ONNX Scan, written as a function from carried values and slices to carried values and outputs.
import type { Value } from '@sanderling/onnx';
import { Algebra } from './algebra.ts';

/** What goes through a loop. */
export interface ScanInput {
  /** Values handed from step to step. */
  readonly carry: readonly Value[];
  /** Values cut along axis 0, one slice a step. */
  readonly over: readonly Value[];
  /** From the last slice to the first; the outputs still lie in the order of the slices. @default false */
  readonly reverse?: boolean;
}

/** What one step of a loop leaves, or what the whole loop left: outputs are then stacked along axis 0. */
export interface ScanOutput {
  readonly carry: readonly Value[];
  readonly out: readonly Value[];
}

/**
 * Emits a Scan. The body may use outer values freely. Slices are written in place by the runtime, which makes this faster than unrolling
 * (about 3 µs a step); an output that is itself a carried input costs a copy a step.
 */
export function scan(
  m: Algebra,
  input: ScanInput,
  body: (m: Algebra, step: { carry: Value[]; over: Value[] }) => ScanOutput,
): ScanOutput {
  const { carry, over, reverse = false } = input;
  const inner = m.scope.subgraph('step');
  const step = {
    carry: carry.map((value, i) => inner.input(`${inner.name}.carry${i}`, value.dtype, value.shape ?? [])),
    over: over.map((value, i) => inner.input(`${inner.name}.slice${i}`, value.dtype, (value.shape ?? []).slice(1))),
  };
  const result = body(new Algebra(inner), step);
  for (const value of [...result.carry, ...result.out]) inner.output(value);
  const directions = (count: number) => (reverse && count > 0 ? Array.from({ length: count }, () => 1) : undefined);
  const [inputs, outputs] = [directions(over.length), directions(result.out.length)];
  const all = m.scope.ops(
    'Scan',
    [...carry, ...over],
    {
      body: inner.graph(),
      num_scan_inputs: over.length,
      ...(inputs === undefined ? {} : { scan_input_directions: inputs }),
      ...(outputs === undefined ? {} : { scan_output_directions: outputs }),
    },
    result.carry.length + result.out.length,
  );
  return { carry: all.slice(0, carry.length), out: all.slice(carry.length) };
}
