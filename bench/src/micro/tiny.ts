// Networks of the shapes of MLPerf Tiny as generated C, float and int8: instructions on emulated boards, RAM against its lower bound, flash, stack.
// Run: node bench/src/micro/tiny.ts
import { writeFile } from 'node:fs/promises';
import {
  compileForHost,
  generateC,
  linkBudget,
  measure,
  quantiseForDevice,
  type Elements,
  type Generated,
} from '@sanderling/micro';
import { openSession, type Feeds, type Model, type TensorArray } from '@sanderling/onnx';
import { randomFeeds, tinyNetworks, type Network } from './networks.ts';

/** √(Σ (got − wanted)² / Σ wanted²) over all outputs of all calls. */
function relativeError(got: readonly TensorArray[], wanted: readonly TensorArray[]): number {
  let [signal, noise] = [0, 0];
  for (const [i, values] of wanted.entries())
    for (const [j, value] of values.entries()) {
      signal += Number(value) ** 2;
      noise += (Number(value) - Number(got[i]![j])) ** 2;
    }
  return Math.sqrt(noise / signal);
}

async function reference(model: Model, feeds: readonly Feeds[]): Promise<readonly TensorArray[]> {
  await using session = await openSession(model, { optimisation: 'basic' });
  const outputs: TensorArray[] = [];
  for (const one of feeds) outputs.push((await session.run(one))['y']!.data as TensorArray);
  return outputs;
}

/** The host rounds product by product like the boards, with their expf and tanhf. */
const hostFlags = ['-ffp-contract=off'];

const sameBits =
  (wanted: readonly Elements[]) =>
  ({ y }: Elements, i: number): boolean =>
    Buffer.from(y!.buffer).equals(Buffer.from(wanted[i]!['y']!.buffer));

interface Case {
  readonly kind: 'float' | 'int8';
  readonly network: Network;
  readonly generated: Generated;
  readonly feeds: readonly Feeds[];
  /** What ONNX Runtime answers: of the float model, and of this one. */
  readonly float: readonly TensorArray[];
  readonly own: readonly TensorArray[];
}

async function row({ kind, network, generated, feeds, float, own }: Case): Promise<string> {
  const inputs = feeds.map((one) => ({ x: one['x']!.data as TensorArray }));
  const m7 = await measure(generated, { board: 'm7', inputs });
  const m4 = await measure(generated, { board: 'm4', inputs });
  await linkBudget(generated, 'stm32h745');
  const { report } = generated;
  const answers = m7.outputs.map(({ y }) => y!);
  await using host = await compileForHost(generated, { flags: hostFlags });
  const others = [m4.outputs, await host.run(inputs)];
  const same = others.every((outputs) => outputs.every(sameBits(m7.outputs)));
  const counts = [m7, m4].map(({ instructions }) => Math.max(...instructions));
  const cells = [
    network.name,
    kind,
    (report.macs / 1e6).toFixed(3),
    ...counts.map((count) => `${(count / 1e6).toFixed(2)} (${(count / report.macs).toFixed(2)})`),
    report.arenaBytes,
    (report.arenaBytes / report.boundBytes).toFixed(3),
    m7.stackBytes,
    m7.flash.code,
    m7.flash.constants,
    relativeError(answers, own).toExponential(1),
    kind === 'float' ? '–' : `${(100 * relativeError(answers, float)).toFixed(1)} %`,
    same ? 'yes' : 'no',
  ];
  return `| ${cells.join(' | ')} |`;
}

const rows: string[] = [];
for (const network of tinyNetworks) {
  const model = network.model();
  const feeds = randomFeeds(model, 3, 5);
  const float = await reference(model, feeds);
  const { model: int8, report } = await quantiseForDevice(model, randomFeeds(model, 24, 6), { budget: 1 });
  const left = report.layers.filter((layer) => layer.float).length;
  if (left > 0) console.log(`${network.name}: ${left} layers stay in float`);
  for (const [kind, one] of [
    ['float', model],
    ['int8', int8],
  ] as const) {
    const generated = await generateC(one, { name: 'net' });
    const own = kind === 'float' ? float : await reference(int8, feeds);
    const line = await row({ kind, network, generated, feeds, float, own });
    console.log(line);
    rows.push(line);
  }
}
const text = [
  '# Small networks as generated C',
  '',
  'The shapes of MLPerf Tiny v1, a 1-D CNN and the forecaster of S1, random weights; `-O2`; instructions counted exactly on emulated boards, for each multiply-accumulate in brackets. RAM is the arena (working memory) against the largest sum of tensors and scratch that live at once in the order in which the layers run, below which no arena for that order can be (orders are searched: exactly in graphs of some twenty layers, else greedily). Bytes. Every row links against the memory of the STM32H745. Error: root mean square against ONNX Runtime on the same model, relative to its outputs; of int8 also against the float model (random weights are harder to quantise than trained ones).',
  '',
  '| network | kind | million MACs | M instructions, M7 | M instructions, M4 | RAM | of lower bound | stack | code | constants | error | error by int8 | same bits on host, M7, M4 |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
  ...rows,
  '',
  'For scale, published cycles of one inference on a Cortex-M4 (STM32L4R5 at 120 MHz, X-CUBE-AI 10.2, MLPerf Tiny v1.3, trained weights of the same shapes): keyword spotting 5.2 M, images 19.9 M, sounds 0.57 M. An instruction takes at least a cycle there, some take more.',
  '',
].join('\n');
await writeFile(new URL('../../results/micro-tiny.md', import.meta.url), text);
