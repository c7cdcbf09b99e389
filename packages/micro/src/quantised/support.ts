// C functions that integer layers share, in the order in which they stand in a file: scaling here, sums of products and the rest beside. All kernels give equal bytes.

import { planesText, tapsText } from './support-depthwise.ts';
import { mostText, tallyText } from './support-pool.ts';
import {
  rowsText,
  widenText,
  fillText,
  quad2Text,
  sum2Text,
  sum4Text,
  products1Text,
  products2Text,
} from './support-products.ts';
import { logisticBytes, recurrentText, shareText } from './support-recurrent.ts';

const scale = `/* Right shifts of negative numbers must keep the sign. */
typedef char NAME_shifts_keep_the_sign[((-2) >> 1) == -1 ? 1 : -1];

/* sum * multiplier / 2^32, rounded to the nearest; an odd multiplier leaves no ties. */
static inline int32_t NAME_scaled(int32_t sum, int32_t multiplier)
{
    return (int32_t)(((int64_t)sum * multiplier + 0x80000000LL) >> 32);
}`;

const within = `static inline int32_t NAME_within(int32_t value, int32_t low, int32_t high)
{
    return (value < low) ? low : ((value > high) ? high : value);
}`;

const rounded = `/* value / 2^shift, rounded, ties away from zero. */
static inline int32_t NAME_rounded(int32_t value, int32_t shift)
{
    return (value + (1 << (shift - 1)) - ((value < 0) ? 1 : 0)) >> shift;
}`;

const scaling = `/*
 * Scaling of sums: sum * 2^up * multiplier / 2^32, rounded to the nearest; then the zero point, then the bounds.
 * parameters of each channel: bias with the input's zero point folded in, multiplier.
 */
typedef struct {
    const int32_t *parameters;
    int32_t channels;
    int32_t up;
    int32_t zero;
    int32_t low;
    int32_t high;
} NAME_scaling;

/* One sum as a code; bounds narrower than those of int8 are for NAME_bounded. */
static inline int8_t NAME_narrowed(int32_t sum, int32_t multiplier, const NAME_scaling *s)
{
    const int32_t wide = sum * (1 << s->up);
    int32_t code;
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
    __asm__("smmlar %0, %1, %2, %3" : "=r"(code) : "r"(wide), "r"(multiplier), "r"(s->zero));
    __asm__("ssat %0, #8, %1" : "=r"(code) : "r"(code));
#else
    code = NAME_within(NAME_scaled(wide, multiplier) + s->zero, -128, 127);
#endif
    return (int8_t)code;
}

/* The bounds of an activation. */
static inline void NAME_bounded(const NAME_scaling *s, int8_t *y)
{
    if (s->low > -128 || s->high < 127) {
        for (int32_t c = 0; c < s->channels; c++) {
            y[c] = (int8_t)NAME_within(y[c], s->low, s->high);
        }
    }
}`;

const dsp = `#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
typedef uint64_t __attribute__((may_alias)) NAME_two_words;
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) NAME_word;

/* Bytes 0 and 2, or 1 and 3, as two int16. */
static inline uint32_t NAME_even(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(bytes));
    return pair;
}

static inline uint32_t NAME_odd(uint32_t bytes)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
    return pair;
}
#endif`;

/** In the order in which the file has them: what one calls stands before it. */
export const integerHelpers = {
  int8_scale: { text: scale },
  int8_within: { text: within },
  int8_rounded: { text: rounded },
  int8_scaling: { text: scaling },
  int8_dsp: { text: dsp },
  int8_widen_here: { text: rowsText },
  int8_widen: { text: widenText },
  int8_fill: { text: fillText },
  int8_quad2: { text: quad2Text },
  int8_sum2: { text: sum2Text },
  int8_sum4: { text: sum4Text },
  int8_products1: { text: products1Text },
  int8_products2: { text: products2Text },
  int8_depthwise: { text: tapsText },
  int8_depthwise_planes: { text: planesText },
  int8_most: { text: mostText },
  int8_tally: { text: tallyText },
  int8_share: { text: shareText },
  int8_recurrent: { text: recurrentText, constantBytes: logisticBytes },
} as const;
