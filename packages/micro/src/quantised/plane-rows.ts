// The C function that sums rows of one plane of a depthwise convolution, written out for a shape: for the DSP instructions of ARMv7E-M, and plainly.
import { indexText } from '../emit/c-text.ts';
import type { Geometry } from './work.ts';

/** What the code is written for. `wide`: int16 from one row of the plane to the next. */
export interface PlaneShape {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Rows from one tap to the next; taps of a row are neighbours. */
  readonly dilation: number;
  readonly columns: number;
  readonly channels: number;
  readonly wide: number;
}

/** Words of two int16 of the plane that two output places next to each other read in one row. */
const wordsRead = (taps: number, stride: number): number => Math.ceil((taps + stride) / 2);

/** Pairs of neighbouring weights of a row; a single weight stands in a pair with nothing. */
const weightWords = (taps: number): number => Math.max(1, taps - 1);

/** Weights stay in r4 … r9 where they fit. */
const freeRegisters = 6;

/** Farthest that LDRD reaches, and that a byte is stored at. */
const [mostLoadOffset, mostStoreOffset] = [1020, 4095];

/** The shape for a window; undefined where instructions do not reach or columns are not neighbours. */
export function planeShape({ kernel, strides, dilations, output, channels }: Geometry): PlaneShape | undefined {
  const [stride, taps] = [strides[1], kernel[1]];
  if (stride > 2 || taps > freeRegisters + 1 || (dilations[1] > 1 && taps > 1)) return undefined;
  const words = wordsRead(taps, stride);
  const wide = stride * (2 * Math.ceil(output[1] / 2) - 2) + 2 * words;
  const shape = { kernel, strides, dilation: dilations[0], columns: output[1], channels, wide };
  const reach = offsetOf(shape, kernel[0] - 1) + 4 * words;
  const frame = frameBytes(shape);
  const skip = 2 * strides[0] * wide;
  return Math.max(reach, frame) <= mostLoadOffset && Math.max(2 * channels, skip) <= mostStoreOffset
    ? shape
    : undefined;
}

/** Bytes from the first tap's row to the row of tap `k`. */
const offsetOf = ({ dilation, wide }: PlaneShape, k: number): number => 2 * k * dilation * wide;

const inRegisters = ({ kernel }: PlaneShape): boolean => kernel[0] * weightWords(kernel[1]) <= freeRegisters;

/** Multiplier, zero point, rows left, nothing; then weights that do not stay in registers. */
function frameBytes(shape: PlaneShape): number {
  const { kernel } = shape;
  return 16 + (inRegisters(shape) ? 0 : 8 * Math.ceil((kernel[0] * weightWords(kernel[1])) / 2));
}

/** A name that says the shape. */
export function planeRowsName({ kernel, strides, dilation, columns, channels, wide }: PlaneShape): string {
  return `rows_${[...kernel, ...strides, dilation, columns, channels, wide].join('_')}`;
}

/** Accumulators of the two places. */
const sums = ['r10', 'r11'] as const;

/** Writes the instructions for one shape. */
class RowsWriter {
  readonly #shape: PlaneShape;
  readonly #lines: string[] = [];
  readonly #begun = new Set<string>();

  constructor(shape: PlaneShape) {
    this.#shape = shape;
  }

  text(): readonly string[] {
    const { kernel, strides, columns, wide } = this.#shape;
    const pairs = Math.floor(columns / 2);
    const frame = frameBytes(this.#shape);
    this.#add('push {r4-r11, lr}', `sub sp, sp, #${frame}`, 'ldr lr, [r0, #12]');
    for (let k = 0; k < kernel[0]; k += 1) this.#spread(k);
    this.#add('ldrd r10, r11, [r0, #20]', 'strd r10, r11, [sp]', 'ldr r10, [r0, #8]', 'str r10, [sp, #8]');
    this.#add('ldr r3, [r0, #16]', 'ldrd r0, r1, [r0]', '1:');
    if (pairs > 0) {
      this.#add(`add r2, r0, #${4 * strides[1] * pairs}`, '2:');
      this.#places(2);
      this.#add('cmp r0, r2', 'bne 2b');
    }
    if (columns % 2 === 1) this.#places(1);
    const skip = 2 * strides[0] * wide - 4 * strides[1] * pairs;
    this.#add(`add r0, r0, #${skip}`, 'ldr r12, [sp, #8]', 'subs r12, r12, #1', 'str r12, [sp, #8]', 'bne 1b');
    this.#add(`add sp, sp, #${frame}`, 'pop {r4-r11, pc}');
    return this.#lines;
  }

  #add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** Weights of one row from bytes into pairs of int16. */
  #spread(k: number): void {
    const taps = this.#shape.kernel[1];
    const words = weightWords(taps);
    const resident = inRegisters(this.#shape);
    const byte = (tap: number): string => `ldrsb r${10 + (tap % 2)}, [lr, #${k * taps + tap}]`;
    this.#add(byte(0));
    for (let j = 0; j < words; j += 1) {
      const to = resident ? `r${4 + k * words + j}` : 'r12';
      const [low, high] = [`r${10 + (j % 2)}`, `r${10 + ((j + 1) % 2)}`];
      if (taps === 1) this.#add(`mov ${to}, ${low}`);
      else this.#add(byte(j + 1), `pkhbt ${to}, ${low}, ${high}, lsl #16`);
      if (!resident) this.#add(`str r12, [sp, #${16 + 4 * (k * words + j)}]`);
    }
  }

  /** Two output places, or one: products, scaling, saturation, storing. The first row comes last, since it moves on. */
  #places(count: 1 | 2): void {
    const { kernel, channels } = this.#shape;
    this.#begun.clear();
    for (let k = kernel[0] - 1; k >= 0; k -= 1) this.#row(k, count);
    this.#add('ldrd r12, lr, [sp]');
    for (const sum of sums.slice(0, count)) this.#add(`smmlar ${sum}, ${sum}, r12, lr`, `ssat ${sum}, #8, ${sum}`);
    if (count === 2) this.#add(`strb r11, [r1, #${channels}]`);
    const step = count * channels;
    if (step <= 255) this.#add(`strb r10, [r1], #${step}`);
    else this.#add('strb r10, [r1]', `add r1, r1, #${step}`);
  }

  #row(k: number, count: 1 | 2): void {
    const { kernel, strides } = this.#shape;
    const taps = kernel[1];
    const words = count === 2 ? wordsRead(taps, strides[1]) : Math.ceil(taps / 2);
    const weights = this.#weights(k);
    const from = offsetOf(this.#shape, k);
    for (let first = 2 * (Math.ceil(words / 2) - 1); first >= 0; first -= 2) {
      const at = k === 0 && first === 0 && count === 2 ? `[r0], #${4 * strides[1]}` : `[r0, #${from + 4 * first}]`;
      const both = first + 1 < words;
      this.#add(both ? `ldrd r12, lr, ${at}` : `ldr r12, ${at}`);
      this.#products('r12', first, { weights, count });
      if (both) this.#products('lr', first + 1, { weights, count });
    }
  }

  /** The registers with the pairs of weights of a row. */
  #weights(k: number): readonly string[] {
    const words = weightWords(this.#shape.kernel[1]);
    const resident = inRegisters(this.#shape);
    if (!resident)
      for (let j = 0; j < words; j += 2) {
        const at = `[sp, #${16 + 4 * (k * words + j)}]`;
        this.#add(j + 1 < words ? `ldrd r${4 + j}, r${5 + j}, ${at}` : `ldr r${4 + j}, ${at}`);
      }
    return Array.from({ length: words }, (_, j) => `r${4 + (resident ? k * words : 0) + j}`);
  }

  /** All products of word `j` of a row, (x_2j, x_2j+1), for the places. */
  #products(x: string, j: number, { weights, count }: { weights: readonly string[]; count: 1 | 2 }): void {
    const { kernel, strides } = this.#shape;
    const taps = kernel[1];
    for (const [place, sum] of sums.slice(0, count).entries()) {
      const low = 2 * j - place * strides[1];
      const inside = [low, low + 1].filter((tap) => tap >= 0 && tap < taps);
      if (inside.length === 0) continue;
      const start = this.#begun.has(sum) ? sum : 'r3';
      this.#begun.add(sum);
      if (inside.length === 2) {
        this.#add(`smlad ${sum}, ${x}, ${weights[low]!}, ${start}`);
        continue;
      }
      const tap = inside[0]!;
      const word = Math.min(tap, weights.length - 1);
      const halves = `${tap === low ? 'b' : 't'}${tap === word ? 'b' : 't'}`;
      this.#add(`smla${halves} ${sum}, ${x}, ${weights[word]!}, ${start}`);
    }
  }
}

/** The file-level C text; NAME_ stands for the prefix. */
export function planeRowsText(shape: PlaneShape): string {
  const { kernel, strides, dilation, columns, channels, wide } = shape;
  const name = planeRowsName(shape);
  const about = `/* Rows of ${columns} places of one channel of ${channels}, ${kernel.join(' x ')} taps ${strides.join(', ')} apart, in a plane ${wide} wide. */`;
  const code = new RowsWriter(shape).text();
  const asm = code.map((line, i) => {
    const last = i === code.length - 1;
    return `            "${line}${last ? '' : line.endsWith(':') ? ' ' : '\\n\\t'}"`;
  });
  const tap = indexText(0, [
    ['i', dilation * wide],
    ['j', 1],
    ['k', strides[1]],
  ]);
  return `${about}
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
/* r0: plane, r1: output, r2: end of the row, r3: bias, r10 and r11: sums; the stack holds multiplier, zero point and rows left. */
__attribute__((naked, noinline)) static void NAME_${name}(const NAME_plane_job *job __attribute__((unused)))
{
    __asm__(".syntax unified\\n\\t"
${asm.join('\n')});
}
#else
static void NAME_${name}(const NAME_plane_job *job)
{
    const int16_t *x = job->x;
    int8_t *y = job->y;
    for (int32_t row = job->rows; row > 0; row--) {
        for (int32_t k = 0; k < ${columns}; k++) {
            int32_t sum = job->bias;
            for (int32_t i = 0; i < ${kernel[0]}; i++) {
                for (int32_t j = 0; j < ${kernel[1]}; j++) {
                    sum += x[${tap}] * job->w[${indexText(0, [
                      ['i', kernel[1]],
                      ['j', 1],
                    ])}];
                }
            }
            *y = (int8_t)NAME_within(NAME_scaled(sum, job->multiplier) + job->zero, -128, 127);
            y += ${channels};
        }
        x += ${strides[0] * wide};
    }
}
#endif`;
}
