// A sample of ONNX's own conformance models as generated C; bench/src/micro/conformance.ts runs all of them.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { decodeModel, decodeTensor, typedData, type Tensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, type Elements } from './index.ts';
import { worstDifference } from './testing.ts';

const shared = process.env['SANDERLING_SHARED'] ?? new URL('../../../../shared', import.meta.url).pathname;
const tool = `${shared}/tools/data`;
const ready = existsSync(tool) && (await hasCompiler());
if (!ready) console.warn(`packages/micro: no conformance models at ${shared} or no gcc, so they are not run here`);

/** Models by name, and the inputs that are given as constants. */
const sample: Readonly<Record<string, readonly string[]>> = {
  gru_defaults: [],
  gru_seq_length: [],
  gru_batchwise: [],
  lstm_with_peepholes: ['sequence_lens'],
  lstm_batchwise: [],
  rnn_seq_length: [],
  gemm_all_attributes: [],
  matmul_bcast: [],
  conv_with_autopad_same: [],
  conv_with_strides_and_asymmetric_padding: [],
  convtranspose_dilations: [],
  convtranspose_output_shape: [],
  maxpool_2d_ceil: [],
  averagepool_2d_pads_count_include_pad: [],
  layer_normalization_4d_axis1: [],
  softmax_axis_1: [],
  logsoftmax_large_number: [],
  add_bcast: [],
  pow_types_float32_int64: [],
  prelu_broadcast: [],
  where_example: [],
  clip_default_min: [],
  mod_mixed_sign_int32: [],
  argmax_keepdims_example_select_last_index: [],
  reduce_log_sum_exp_keepdims_random: ['axes'],
  top_k_smallest: ['k'],
  gather_elements_negative_indices: [],
  slice_neg_steps: ['starts', 'ends', 'axes', 'steps'],
  edge_pad: ['pads'],
  reflect_pad: ['pads'],
  transpose_all_permutations_3: [],
  depthtospace_crd_mode_example: [],
  resize_upsample_scales_linear_align_corners: ['scales'],
  resize_downsample_scales_nearest: ['scales'],
  split_variable_parts_2d_opset18: ['split'],
  tile: ['y'],
};

describe.skipIf(!ready)('conformance models', () => {
  test('every sampled model gives its golden outputs', async () => {
    const folder = `${execFileSync(tool, ['onnx-node-vectors'], { encoding: 'utf8' }).trim()}/onnx-conformance/node`;
    const cases = await Promise.all(
      Object.entries(sample).map(async ([name, bound], i) => {
        const root = `${folder}/test_${name}`;
        const model = decodeModel(readFileSync(`${root}/model.onnx`));
        const load = (kind: string, at: number): Tensor =>
          decodeTensor(readFileSync(`${root}/test_data_set_0/${kind}_${at}.pb`));
        const inputs = new Map(model.graph.inputs.map((info, at) => [info.name, load('input', at)]));
        const bind = new Map([...inputs].filter(([key]) => bound.includes(key)));
        const generated = await generateC(model, { name: `m${i}`, bind });
        const wanted = Object.fromEntries(
          model.graph.outputs.map((info, at) => [info.name, typedData(load('output', at))]),
        );
        const call: Elements = Object.fromEntries(
          generated.face.inputs.map((port) => [port.name, typedData(inputs.get(port.name)!)]),
        );
        return { name, generated, call, wanted };
      }),
    );
    await using host = await compileForHost(
      cases.map(({ generated }) => generated),
      { optimise: '-O0' },
    );
    const worst: Record<string, number> = {};
    for (const [i, { name, call, wanted }] of cases.entries()) {
      const [got] = await host.run([call], i);
      worst[name] = worstDifference(got!, wanted);
    }
    expect(Object.entries(worst).filter(([, difference]) => !(difference < 1e-4))).toEqual([]);
    expect(Object.keys(worst).length).toBe(Object.keys(sample).length);
  });
});
