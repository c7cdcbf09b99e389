// Every gradient rule against PyTorch in float64 (fixtures/make.py) and against central differences through the runtime.
import { readFileSync } from 'node:fs';
import {
  GraphBuilder,
  modelOf,
  openSession,
  tensorOf,
  type AttributeInput,
  type Graph,
  type RunTensor,
  type Value,
} from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { Algebra } from '../algebra.ts';
import { steps } from './flat.ts';
import { gradientRules } from './table.ts';
import { Tape } from './tape.ts';

interface FixtureInput {
  readonly dtype: 'float32' | 'int64' | 'bool';
  readonly dims: readonly number[];
  readonly data: readonly number[];
  readonly constant: boolean;
}

interface Fixture {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, Readonly<Record<string, number | string | readonly number[]>>>>;
  /** Whether batch statistics are used and running ones followed. */
  readonly training: boolean;
  readonly inputs: readonly (FixtureInput | null)[];
  readonly outputs: readonly ({
    readonly dims: readonly number[];
    readonly data: readonly number[];
    readonly cotangent: readonly number[];
  } | null)[];
  readonly gradients: readonly (readonly number[] | null)[];
}

const fixtures = JSON.parse(readFileSync(new URL('fixtures/rules.json', import.meta.url), 'utf8')) as Fixture[];
const inputName = (i: number) => `input${i}`;

/** A graph of the one operator: constants inside, everything else an input. */
function graphOf({ op, attributes, inputs, outputs }: Fixture): Graph {
  const b = new GraphBuilder('one');
  const values = inputs.map((input, i) => {
    if (input === null) return undefined;
    if (input.constant && input.dtype !== 'bool')
      return b.initializer(inputName(i), tensorOf(input.dtype, input.dims, input.data));
    return b.input(inputName(i), input.dtype, input.dims);
  });
  const written = Object.entries(attributes).map(([name, value]) => {
    const [type, content] = Object.entries(value)[0] as [string, number];
    return [name, { type, value: content } as AttributeInput] as const;
  });
  const made = b.ops(op, values, Object.fromEntries(written), outputs.length);
  outputs.forEach((_, i) => b.output(`output${i}`, made[i] as Value));
  return b.build();
}

/** Outputs, the cotangent-weighted sum of the used ones, and its gradients, in one model. */
function checked(fixture: Fixture) {
  const b = new GraphBuilder('checked');
  const feeds: Record<string, RunTensor> = {};
  const bind = new Map<string, Value>();
  fixture.inputs.forEach((input, i) => {
    if (input === null || (input.constant && input.dtype !== 'bool')) return;
    bind.set(inputName(i), b.input(inputName(i), input.dtype, input.dims));
    const data = input.dtype === 'bool' ? Uint8Array.from(input.data) : Float32Array.from(input.data);
    feeds[inputName(i)] = { dtype: input.dtype, dims: input.dims, data };
  });
  const watched = [...bind.values()].filter((value) => value.dtype === 'float32');
  const tape = new Tape(b, {
    uniform: () => {
      throw new Error('not random');
    },
    follows: () => fixture.training,
    update: () => undefined,
  });
  tape.watch(watched);
  const values = tape.record(graphOf(fixture), bind);
  const l = new GraphBuilder('weighted');
  const m = new Algebra(l);
  const terms = fixture.outputs.flatMap((output, i) => {
    if (output === null) return [];
    const cotangent = l.constant(tensorOf('float32', output.dims, output.cotangent));
    return [m.sum(m.mul(l.input(`output${i}`, 'float32', output.dims), cotangent))];
  });
  l.output(
    'total',
    terms.reduce((x, y) => m.add(x, y)),
  );
  const used = fixture.outputs.flatMap((output, i) =>
    output === null ? [] : [[`output${i}`, values.get(`output${i}`) as Value] as const],
  );
  const total = tape.record(l.build(), new Map(used)).get('total') as Value;
  const gradients = tape.gradients(total, watched);
  for (const [name, value] of used) b.output(`result/${name}`, value);
  b.output('total', total);
  gradients.forEach((gradient, i) => b.output(`gradient/${watched[i]?.name}`, gradient));
  return { model: modelOf(b.build()), feeds };
}

/** Largest difference over largest number. */
function relativeError(got: ArrayLike<number>, want: readonly number[]): number {
  const scale = Math.max(1e-3, ...want.map(Math.abs));
  return Math.max(...want.map((x, i) => Math.abs(x - (got[i] as number)))) / scale;
}

describe('gradient rules', () => {
  test.each(fixtures.map((fixture) => [fixture.name, fixture] as const))('%s equals PyTorch', async (_, fixture) => {
    const { model, feeds } = checked(fixture);
    await using session = await openSession(model);
    const out = await session.run(feeds);
    fixture.outputs.forEach((output, i) => {
      if (output === null) return;
      expect(out[`result/output${i}`]?.dims).toEqual(output.dims);
      expect(relativeError(out[`result/output${i}`]?.data as Float32Array, output.data)).toBeLessThan(1e-5);
    });
    fixture.gradients.forEach((gradient, i) => {
      if (gradient === null) return;
      expect(relativeError(out[`gradient/${inputName(i)}`]?.data as Float32Array, gradient)).toBeLessThan(1e-5);
    });
  });

  test.each(fixtures.map((fixture) => [fixture.name, fixture] as const))(
    '%s equals central differences',
    async (_, fixture) => {
      const { model, feeds } = checked(fixture);
      await using session = await openSession(model);
      const out = await session.run(feeds);
      const names = Object.keys(feeds).filter((name) => feeds[name]?.dtype === 'float32');
      const h = 2e-3;
      for (const name of names) {
        const { dims, data } = feeds[name] as RunTensor;
        const gradient = out[`gradient/${name}`]?.data as Float32Array;
        const direction = Float32Array.from(gradient, (_, i) => Math.sin(1 + 7 * i));
        const at = async (step: number) => {
          const moved = Float32Array.from(data as Float32Array, (x, i) => x + step * (direction[i] as number));
          const result = await session.run({ ...feeds, [name]: { dtype: 'float32', dims, data: moved } });
          return Number(result['total']?.data[0]);
        };
        const slope = ((await at(h)) - (await at(-h))) / (2 * h);
        const said = gradient.reduce((sum, g, i) => sum + g * (direction[i] as number), 0);
        const scale = Math.max(0.1, gradient.reduce((sum, g) => sum + Math.abs(g), 0) / Math.sqrt(gradient.length));
        expect(Math.abs(slope - said) / scale).toBeLessThan(1e-2);
      }
    },
  );

  test('what is made of the shape of a value needs no rules and takes no gradient', async () => {
    const inner = new GraphBuilder('masked');
    const x = inner.input('x', 'float32', [3, 3]);
    const ones = inner.op('ConstantOfShape', [inner.op('Shape', [x])], { value: tensorOf('float32', [1], [1]) });
    const rows = inner.op('Gather', [inner.op('NonZero', [ones]), inner.int64([0])]);
    const mask = inner.op('Mul', [
      inner.op('Trilu', [ones]),
      inner.op('ReduceMax', [inner.op('Cast', [rows], { to: 1 })]),
    ]);
    inner.output('y', inner.op('ReduceSum', [inner.op('Mul', [x, mask])], { keepdims: 0 }));
    const b = new GraphBuilder('outer');
    const watched = b.input('x', 'float32', [3, 3]);
    const tape = new Tape(b);
    tape.watch([watched]);
    const total = tape.record(inner.build(), new Map([['x', watched]])).get('y') as Value;
    b.output('dx', tape.gradients(total, [watched])[0] as Value);
    await using session = await openSession(modelOf(b.build()));
    const { dx } = await session.run({ x: { dtype: 'float32', dims: [3, 3], data: new Float32Array(9) } });
    expect(Array.from((dx as RunTensor).data as Float32Array)).toEqual([2, 2, 2, 0, 2, 2, 0, 0, 2]);
  });

  test('bodies read values of the graph around them; a gradient through them has no rule', async () => {
    const inner = new GraphBuilder('chosen');
    const [x, shift] = [inner.input('x', 'float32', [2]), inner.input('shift', 'float32', [2])];
    const twice = inner.op('Add', [shift, shift]);
    const [yes, no] = [inner.subgraph('yes'), inner.subgraph('no')];
    yes.output(yes.op('Neg', [twice]));
    no.output(no.op('Identity', [twice]));
    const test = inner.op('Greater', [inner.op('ReduceSum', [x], { keepdims: 0 }), inner.scalar(0)]);
    const offset = inner.op('If', [test], { then_branch: yes.graph(), else_branch: no.graph() });
    inner.output('y', inner.op('ReduceSum', [inner.op('Mul', [x, offset])], { keepdims: 0 }));
    const graph = inner.build();
    const b = new GraphBuilder('outer');
    const bound = new Map([
      ['x', b.input('x', 'float32', [2])],
      ['shift', b.input('shift', 'float32', [2])],
    ]);
    const tape = new Tape(b);
    tape.watch([bound.get('x') as Value]);
    const total = tape.record(graph, bound).get('y') as Value;
    b.output('dx', tape.gradients(total, [bound.get('x') as Value])[0] as Value);
    await using session = await openSession(modelOf(b.build()));
    const vector = (...numbers: number[]): RunTensor => ({
      dtype: 'float32',
      dims: [2],
      data: Float32Array.from(numbers),
    });
    const { dx } = await session.run({ x: vector(1, 2), shift: vector(3, 4) });
    expect(Array.from((dx as RunTensor).data as Float32Array)).toEqual([-6, -8]);
    const other = new Tape(new GraphBuilder('through'));
    const again = new Map([...bound.keys()].map((name) => [name, other.m.scope.input(name, 'float32', [2])]));
    other.watch([again.get('shift') as Value]);
    expect(() => other.record(graph, again)).toThrow(/^If .* has no gradient rule/);
  });

  test('every rule that passes a gradient has a fixture', () => {
    const covered = new Set([
      ...fixtures.map(({ op }) => op),
      ...Object.keys(steps),
      'Dropout',
      'Cast',
      'QuantizeLinear',
      'DequantizeLinear',
    ]);
    expect(Object.keys(gradientRules).filter((op) => !covered.has(op))).toEqual([]);
  });
});
