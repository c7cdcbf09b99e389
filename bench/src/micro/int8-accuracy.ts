// Small networks and single recurrent layers in int8: generated C against ONNX Runtime on the same quantised model, and both against the float model.
// Run: node bench/src/micro/int8-accuracy.ts
import { writeFile } from 'node:fs/promises';
import { compileForHost, generateC, type Elements } from '@sanderling/micro';
import {
  distance,
  networkInputs,
  networks,
  plainReference,
  quantisedNetwork,
  referenceOutputs,
} from '@sanderling/micro/testing';

const count = 400;

/** Root mean square of what is left of `a` without `b`, over all outputs. */
function rms(a: readonly Elements[], b: readonly Elements[] | undefined): number {
  let [sum, values] = [0, 0];
  for (const [i, one] of a.entries())
    for (const [k, value] of Array.from(one['y'] as Float32Array).entries()) {
      sum += (value - Number(b?.[i]!['y']![k] ?? 0)) ** 2;
      values += 1;
    }
  return Math.sqrt(sum / values);
}

const rows: string[] = [];
for (const [name, make] of Object.entries(networks)) {
  const model = make();
  const quantised = await quantisedNetwork(model);
  const calls = networkInputs(model, count, 4242);
  const generated = await generateC(quantised, { name: 'net' });
  await using host = await compileForHost(generated, { optimise: '-O2' });
  const [got, runtime, float] = [
    await host.run(calls),
    await plainReference(quantised, calls),
    await referenceOutputs(model, calls),
  ];
  const { values, equal, worst } = distance(quantised, got, runtime);
  const size = rms(float, undefined);
  const percent = (of: readonly Elements[]): string => ((100 * rms(of, float)) / size).toFixed(2);
  rows.push(
    `| ${name} | ${generated.report.macs} | ${values} | ${((100 * equal) / values).toFixed(2)} % | ${worst} | ${percent(got)} % | ${percent(runtime)} % |`,
  );
}
const text = [
  '# Networks in int8 against ONNX Runtime',
  '',
  `${count} inputs each; random weights. The C computes with integers alone; ONNX Runtime runs the same quantised model with real arithmetic between the quantisations (GRU and LSTM wholly in float: it has no integer kernels for them). Steps are those of the output; errors are root mean squares against the float model, relative to its outputs.`,
  '',
  '| network | multiply-accumulates | values | equal to ONNX Runtime | furthest, steps | error of the C | error of ONNX Runtime |',
  '|---|---|---|---|---|---|---|',
  ...rows,
  '',
].join('\n');
console.log(text);
await writeFile(new URL('../../results/micro-int8-accuracy.md', import.meta.url), text);
