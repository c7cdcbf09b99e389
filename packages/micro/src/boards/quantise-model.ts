// A float model made int8 for the kernels of generated code, within a budget of accuracy.
import { SanderlingError } from '@sanderling/kit';
import {
  compose,
  foldBatchNorm,
  foldConstants,
  inlineFunctions,
  pruneDead,
  quantiseWithin,
  removeNoOps,
  sortNodes,
  type Feeds,
  type Model,
  type QuantisationReport,
  type RangeMethod,
} from '@sanderling/onnx';

/** Options of {@link quantiseForDevice}. */
export interface DeviceQuantisation {
  /** How ranges are chosen. @default 'minmax' */
  readonly method?: RangeMethod;
  /** Largest error of the outputs relative to their size (root mean square over the samples); layers beyond it stay in float. @default 0.05 */
  readonly budget?: number;
  readonly signal?: AbortSignal;
}

/** The most samples that the budget is measured on; ranges are measured on all. */
const mostJudged = 64;

/** Whether a model has quantised values already. */
export function isQuantised({ graph }: Model): boolean {
  return graph.nodes.some(({ opType }) =>
    /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|QLinear\w+)$/.test(opType),
  );
}

/**
 * Quantises a float model with samples of its inputs: int8 values and weights, one scale for each channel of weights.
 * @throws INVALID_ARGUMENT for a model that is quantised already or a budget that is none; TOO_LITTLE_DATA without samples; INVALID_DATA for values that
 * are not finite; as ONNX Runtime.
 */
export async function quantiseForDevice(
  model: Model,
  samples: readonly Feeds[],
  options: DeviceQuantisation = {},
): Promise<{ readonly model: Model; readonly report: QuantisationReport }> {
  if (isQuantised(model))
    throw new SanderlingError('INVALID_ARGUMENT', 'the model is quantised already', { fix: 'generate it as it is' });
  const { method = 'minmax', budget = 0.05, signal } = options;
  const folded = await compose(sortNodes, inlineFunctions, sortNodes, foldConstants(), removeNoOps)(model);
  const ready = pruneDead(foldBatchNorm(folded));
  const every = Math.ceil(samples.length / mostJudged);
  const judged = samples.filter((_, i) => i % every === 0);
  return quantiseWithin(ready, judged, {
    kernels: 'micro',
    budget: { relativeError: budget },
    calibration: samples,
    method,
    ...(signal ? { signal } : {}),
  });
}
