// ONNX in, C99 out.
import type { Model } from '@sanderling/onnx';
import { writeFiles } from './emit/files.ts';
import type { CInterface } from './emit/interface.ts';
import { lower } from './lower.ts';
import { cheapestOrder } from './memory/order.ts';
import { planMemory } from './memory/plan.ts';
import type { GenerateOptions } from './options.ts';
import { reportOf, type Report } from './report.ts';

/** Generated code. `files`: text by file name, NAME.h and NAME.c; `face`: how to call it. */
export interface Generated {
  readonly files: Readonly<Record<string, string>>;
  readonly face: CInterface;
  readonly report: Report;
  /** With `weights: 'blob'`: what the code takes as `weights`, checked by NAME_weights_check. */
  readonly blob?: Uint8Array;
}

/**
 * Writes a model as one C99 file and its header: no dynamic memory, nothing but libc and libm, equal models give equal bytes.
 * @throws UNSUPPORTED naming the node, its operator and what to do; INVALID_MODEL; INVALID_ARGUMENT for options that do not fit; TOO_LARGE.
 */
export async function generateC(model: Model, options: GenerateOptions = {}): Promise<Generated> {
  const program = cheapestOrder(await lower(model, options));
  const plan = planMemory(program);
  const written = writeFiles(program, plan, options);
  const { files, face, blob } = written;
  return Object.freeze({ files, face, report: reportOf(program, plan, written), ...(blob ? { blob } : {}) });
}
