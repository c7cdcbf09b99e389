// The product of a constant matrix and a vector as C: portable, and for Cortex-M cores with a floating-point unit, where one instruction loads many weights.
// Both round every product and every sum, in the same order: equal bits.

/** Rows that lie interleaved: each element of the vector is loaded once for all of them. */
export const rowsTogether = 8;

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** `s0 += w[0] * v[0];` for some rows and elements. */
const sums = (rows: number, elements: number, indent: string): string =>
  range(elements)
    .flatMap((k) => range(rows).map((row) => `${indent}s${row} += w[${rows * k + row}] * v[${k}];`))
    .join('\n');

/** A block of interleaved rows, `unrolled` elements of the vector at a time. */
const blockOfRows = (c: string, rows: number, unrolled: number): string => `        const ${c} *v = x;
${range(rows)
  .map((row) => `        ${c} s${row} = start[${row}];`)
  .join('\n')}
        for (int32_t k = depth / ${unrolled}; k > 0; k--) {
${sums(rows, unrolled, '            ')}
            w += ${rows * unrolled};
            v += ${unrolled};
        }
        for (int32_t k = depth % ${unrolled}; k > 0; k--) {
${sums(rows, 1, '            ')}
            w += ${rows};
            v++;
        }
${range(rows)
  .map((row) => `        y[${row}] = s${row};`)
  .join('\n')}`;

const step = (rows: number): string => `        y += ${rows};
        start += ${rows};`;

/** Two instructions for each row: weights lie in s16 ... and become products. */
function multiplied(first: number, vector: number): readonly string[] {
  const product = (row: number): string => `s${first + row}`;
  return [
    ...range(rowsTogether).map((row) => `vmul.f32 ${product(row)}, ${product(row)}, s${vector}`),
    ...range(rowsTogether).map((row) => `vadd.f32 s${row}, s${row}, ${product(row)}`),
  ];
}

/** Sums in s0 ... s7, elements of the vector in s8 ... s11, weights and products in s16 ... s31. */
const assembly = [
  '1: vldmia %[start]!, {s0-s7}',
  'mov %[v], %[x]',
  'lsrs %[k], %[depth], #2',
  'beq 3f',
  '2: vldmia %[v]!, {s8-s11}',
  'vldmia %[w]!, {s16-s31}',
  ...multiplied(16, 8),
  ...multiplied(24, 9),
  'vldmia %[w]!, {s16-s31}',
  ...multiplied(16, 10),
  ...multiplied(24, 11),
  'subs %[k], %[k], #1',
  'bne 2b',
  '3: ands %[k], %[depth], #3',
  'beq 5f',
  '4: vldmia %[v]!, {s8}',
  'vldmia %[w]!, {s16-s23}',
  ...multiplied(16, 8),
  'subs %[k], %[k], #1',
  'bne 4b',
  '5: vstmia %[y]!, {s0-s7}',
  'subs %[eight], %[eight], #1',
  'bne 1b',
];

const clobbered = [...range(12), ...range(16).map((i) => 16 + i)].map((i) => `"s${i}"`);

const cortex = `    if (eight > 0) {
        const float *v;
        int32_t k;
        __asm__ volatile(".syntax unified\\n\\t"
${assembly.map((line) => `                         "${line}\\n\\t"`).join('\n')}
                         : [y] "+r"(y), [start] "+r"(start), [w] "+r"(w), [eight] "+r"(eight), [v] "=&r"(v), [k] "=&r"(k)
                         : [x] "r"(x), [depth] "r"(depth)
                         : ${clobbered.slice(0, 12).join(', ')},
                           ${clobbered.slice(12).join(', ')}, "cc", "memory");
    }`;

const portable = (c: string, unrolled: number): string => `    for (; eight > 0; eight--) {
${blockOfRows(c, rowsTogether, unrolled)}
${step(rowsTogether)}
    }`;

/** Cores of the M profile with a floating-point unit; others do not have these instructions or have better ones. */
const onCortex =
  "defined(__GNUC__) && defined(__ARM_ARCH_PROFILE) && (__ARM_ARCH_PROFILE == 'M') && defined(__ARM_FP) && (__ARM_FP & 4)";

/** y = start + W x; the name ends in f for float. */
function multiply(name: string, c: string): string {
  const eights = c === 'float' ? `#if ${onCortex}\n${cortex}\n#else\n${portable(c, 2)}\n#endif` : portable(c, 2);
  return `/*
 * y = start + W x for a matrix of rows x depth; start may be y. Eight rows lie interleaved, then four, so that each element of x is read
 * once for all of them; the last rows % 4 lie one after another.
 */
static void NAME_${name}(${c} *y, const ${c} *start, const ${c} *w, const ${c} *x, int32_t rows, int32_t depth)
{
    int32_t eight = rows / 8;
${eights}
    if ((rows & 4) != 0) {
${blockOfRows(c, 4, 4)}
${step(4)}
    }
    for (int32_t row = 0; row < (rows & 3); row++) {
        const ${c} *v = x;
        ${c} s0 = start[row];
        for (int32_t k = depth; k > 0; k--) {
            s0 += w[0] * v[0];
            w++;
            v++;
        }
        y[row] = s0;
    }
}`;
}

/** The helpers of products. */
export const productHelpers = {
  multiplyf: { text: multiply('multiplyf', 'float'), needs: [] },
  multiply: { text: multiply('multiply', 'double'), needs: [] },
} as const;
