// A small model image for the boards: the forecast is the reading plus a bias, as the simulated models of host devices have it.
import { buildModelImage, type BoardName } from '../boards/index.ts';
import { hostRelease } from './host-image.ts';

/** A small model. */
export interface BoardModel {
  readonly board: BoardName;
  readonly slotAddress: number;
  readonly sequence: number;
  /** What it does at its third reading: execute an undefined instruction, or never return. @default nothing of the kind */
  readonly ends?: 'faults' | 'hangs';
  /** Bytes of constants that it carries along. @default 0 */
  readonly ballast?: number;
}

const third = {
  faults: 'if (self->readings >= 3u) { __asm__ volatile("udf #0"); }',
  hangs: 'while (self->readings >= 3u) { __asm__ volatile("nop"); }',
} as const;

/** Links it. @throws UNAVAILABLE without the tools. */
export function boardImage({ board, slotAddress, sequence, ends, ballast = 0 }: BoardModel): Promise<Uint8Array> {
  const text = `#include "sanderling_entry.h"
typedef struct { uint32_t readings; } model;
${ballast > 0 ? `static const uint8_t ballast[${ballast}] = {1u, 2u, 3u};` : ''}
static int32_t self_test(void *memory)
{
    ${ballast > 0 ? '/* Read as the compiler cannot foresee: it would leave out what is never read. */ const uint8_t *at = ballast; __asm__ volatile("" : "+r"(at));' : ''}
    ((model *)memory)->readings = 0u;
    return ${ballast > 0 ? 'at[2] == 3u ? 0 : 1' : '0'};
}
static void start(void *memory) { ((model *)memory)->readings = 0u; }
static void reading(void *memory, int64_t time_ms, float value, sanderling_answer *answer)
{
    model *self = (model *)memory;
    self->readings += 1u;
    ${ends === undefined ? '' : third[ends]}
    answer->flags = SANDERLING_FORECAST | SANDERLING_RESIDUAL;
    answer->horizon = 2u;
    answer->forecast[0] = value + ${sequence}.0f;
    answer->forecast[1] = value + ${sequence + 1}.0f;
    answer->forecast_time_ms = time_ms;
    answer->residual = ${sequence}.0f;
    answer->drift_score = 0.1f;
    answer->rolling_error = 0.25f;
}
SANDERLING_IMAGE_ENTRY const sanderling_entry sanderling_image_entry = {SANDERLING_ENTRY_ABI, sizeof(model), self_test, start, reading};
`;
  return buildModelImage(
    { texts: { 'model.c': text } },
    { board, slot: slotAddress, sequence, release: hostRelease(sequence) },
  );
}
