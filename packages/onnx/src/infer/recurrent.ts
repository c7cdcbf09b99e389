// Inference of recurrent layers, attention and signal transforms.

import { intAttribute } from '../attributes.ts';
import { has, input, knownScalar, like, optionalInput, type Rule } from './call.ts';
import { axisOf, fact, mismatch, plus, type Fact } from './facts.ts';

/** GRU, LSTM, RNN: X [T,B,I] → Y [T,D,B,H], Y_h [D,B,H], Y_c [D,B,H]; layout 1 puts the batch first. */
const recurrent: Rule = (call) => {
  const [x, w, r] = [input(call, 0), input(call, 1), input(call, 2)];
  if (x.shape && x.shape.length !== 3) mismatch(`the input has rank ${x.shape.length} instead of 3`);
  const hidden = intAttribute(call.node, 'hidden_size') ?? r.shape?.[2];
  const directions = w.shape?.[0];
  const batchFirst = intAttribute(call.node, 'layout', 0) === 1;
  const [time, batch] = batchFirst ? [x.shape?.[1], x.shape?.[0]] : [x.shape?.[0], x.shape?.[1]];
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const all = batchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
  return [like(x, all), like(x, last), like(x, last)];
};

/** Attention (opset 23): Q, K, V of rank 3 or 4, optional past keys and values. */
const attention: Rule = (call) => {
  const [q, k, v] = [input(call, 0), input(call, 1), input(call, 2)];
  if (!q.shape || !k.shape || !v.shape) return Array.from({ length: 4 }, () => like(q, undefined));
  const split = q.shape.length === 3;
  const [qHeads, kvHeads] = [intAttribute(call.node, 'q_num_heads', 0), intAttribute(call.node, 'kv_num_heads', 0)];
  const per = (of: Fact, heads: number) =>
    typeof of.shape?.[2] === 'number' && heads > 0 ? of.shape[2] / heads : undefined;
  const [batch, heads] = [q.shape[0], split ? qHeads : q.shape[1]];
  const [steps, width] = split ? [q.shape[1], per(v, kvHeads)] : [q.shape[2], v.shape[3]];
  const keyWidth = split ? per(k, kvHeads) : k.shape[3];
  const length = split ? k.shape[1] : k.shape[2];
  const past = optionalInput(call, 4).shape?.[2];
  const total = has(call, 4) ? plus(length, past) : length;
  const kv = split ? kvHeads : k.shape[1];
  const out = split
    ? [batch, steps, typeof width === 'number' ? qHeads * width : undefined]
    : [batch, heads, steps, width];
  return [
    like(q, out),
    like(k, [batch, kv, total, keyWidth]),
    like(v, [batch, kv, total, width]),
    like(q, [batch, heads, steps, total]),
  ];
};

const linearAttention: Rule = (call) => {
  const [q, k, v] = [input(call, 0), input(call, 1), input(call, 2)];
  const heads = intAttribute(call.node, 'q_num_heads', 0);
  const kvHeads = intAttribute(call.node, 'kv_num_heads', heads);
  const [keys, values] = [k.shape?.[2], v.shape?.[2]];
  const per = (width: unknown) => (typeof width === 'number' && kvHeads > 0 ? width / kvHeads : undefined);
  const out = per(values) === undefined ? undefined : per(values)! * heads;
  const state = has(call, 3) ? input(call, 3).shape : [q.shape?.[0], kvHeads || undefined, per(keys), per(values)];
  return [like(q, q.shape && [q.shape[0], q.shape[1], out]), like(has(call, 3) ? input(call, 3) : q, state)];
};

const causalConv: Rule = (call) => {
  const [x, w] = [input(call, 0), input(call, 1)];
  const kernel = w.shape?.at(-1);
  const state = typeof kernel === 'number' ? kernel - 1 : undefined;
  return [like(x, x.shape), like(x, x.shape && [...x.shape.slice(0, -1), state])];
};

/** DFT: one axis changes to the given length, or to half of it when only the one-sided spectrum is wanted. */
const dft: Rule = (call) => {
  const x = input(call, 0);
  if (!x.shape) return like(x, undefined);
  const rank = x.shape.length;
  const stated = has(call, 2) ? knownScalar(call.inputs[2]) : intAttribute(call.node, 'axis', call.opset < 20 ? 1 : -2);
  if (stated === undefined) return like(x, undefined);
  const axis = axisOf(stated, rank);
  const given = has(call, 1) ? knownScalar(call.inputs[1]) : x.shape[axis];
  const oneSided = intAttribute(call.node, 'onesided', 0) === 1;
  const inverse = intAttribute(call.node, 'inverse', 0) === 1;
  const half = typeof given === 'number' ? Math.floor(given / 2) + 1 : undefined;
  const whole = inverse && oneSided && !has(call, 1) && typeof given === 'number' ? 2 * (given - 1) : given;
  const length = oneSided && !inverse ? half : whole;
  const parts = oneSided && inverse ? 1 : 2;
  return like(
    x,
    [...x.shape.slice(0, -1), parts].map((dim, i) => (i === axis ? length : dim)),
  );
};

const stft: Rule = (call) => {
  const [signal, step] = [input(call, 0), knownScalar(call.inputs[1])];
  const frame = has(call, 3) ? knownScalar(call.inputs[3]) : optionalInput(call, 2).shape?.[0];
  const length = signal.shape?.[1];
  const known = typeof length === 'number' && typeof frame === 'number' && step !== undefined;
  const frames = known ? Math.floor((length - frame) / step) + 1 : undefined;
  const oneSided = intAttribute(call.node, 'onesided', 1) === 1;
  const bins = typeof frame === 'number' ? (oneSided ? Math.floor(frame / 2) + 1 : frame) : undefined;
  return like(signal, [signal.shape?.[0], frames, bins, 2]);
};

const roiAlign: Rule = (call) => {
  const [x, rois] = [input(call, 0), input(call, 1)];
  const [h, w] = [intAttribute(call.node, 'output_height', 1), intAttribute(call.node, 'output_width', 1)];
  return like(x, [rois.shape?.[0], x.shape?.[1], h, w]);
};

/** Boxes that survive: rows of batch, class and box index. */
const nonMaxSuppression: Rule = () => fact('int64', [undefined, 3]);

const imageDecoder: Rule = (call) => {
  const grey = call.node.attributes['pixel_format']?.value === 'Grayscale';
  return fact('uint8', [undefined, undefined, grey ? 1 : 3]);
};

const tfIdf: Rule = (call) => {
  const { shape } = input(call, 0);
  const indexes = call.node.attributes['ngram_indexes'];
  const width =
    indexes?.type === 'ints'
      ? indexes.value.reduce<number>((most, index) => Math.max(most, Number(index)), -1) + 1
      : undefined;
  return fact('float32', shape && [...shape.slice(0, -1), width]);
};

const stringNormalizer: Rule = (call) => {
  const { shape } = input(call, 0);
  const filtered = call.node.attributes['stopwords'] !== undefined;
  return fact('string', shape && (filtered ? [...shape.slice(0, -1), undefined] : shape));
};

const stringSplit: Rule = (call) => {
  const { shape } = input(call, 0);
  return [fact('string', shape && [...shape, undefined]), fact('int64', shape)];
};

export const recurrentRules: Readonly<Record<string, Rule>> = {
  GRU: recurrent,
  LSTM: recurrent,
  RNN: recurrent,
  Attention: attention,
  LinearAttention: linearAttention,
  CausalConvWithState: causalConv,
  DFT: dft,
  STFT: stft,
  RoiAlign: roiAlign,
  MaxRoiPool: (call) => like(input(call, 0), undefined),
  NonMaxSuppression: nonMaxSuppression,
  ImageDecoder: imageDecoder,
  TfIdfVectorizer: tfIdf,
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
};
