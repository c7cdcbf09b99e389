// Losses of classes.
import { tensorOf, type Value } from '@sanderling/onnx';
import { dimsOf, type Algebra } from '../algebra.ts';
import { checkSettings, wrongSetting } from '../settings.ts';
import { checkSameShape, meanOfSample, sumOfSample, type Loss, type LossTerms } from './loss.ts';

/** Settings of the cross-entropy. */
export interface CrossEntropyOptions {
  /** How much each class counts. @default all 1 */
  readonly classWeights?: readonly number[];
  /** Share of the target spread evenly over all classes, 0 … 1. @default 0 */
  readonly labelSmoothing?: number;
  /** Focal loss (Lin et al. 2017): each sample counts (1 − p)^focus. @default 0 */
  readonly focus?: number;
}

/** Labels [batch, …] as 0 and 1 over an axis of classes after the batch, [batch, classes, …]. */
export function oneHot(m: Algebra, labels: Value, classes: number): Value {
  const rank = labels.shape?.length ?? 1;
  const range = Array.from({ length: classes }, (_, i) => i);
  const numbers = m.scope.constant(tensorOf('int64', [classes, ...Array.from({ length: rank - 1 }, () => 1)], range));
  return m.cast(m.op('Equal', [m.op('Unsqueeze', [labels, m.int64([1])]), numbers]), 'float32');
}

/** Class weights shaped to broadcast over [batch, classes, …]. */
function weightsLike(m: Algebra, weights: readonly number[], prediction: Value): Value {
  if (prediction.shape?.[1] !== weights.length)
    throw wrongSetting(`${weights.length} class weights for ${prediction.shape?.[1]} classes`, 'classWeights');
  const rank = prediction.shape?.length ?? 2;
  return m.scope.constant(tensorOf('float32', [weights.length, ...Array.from({ length: rank - 2 }, () => 1)], weights));
}

const classesOf = ({ prediction }: LossTerms): number => {
  const classes = prediction.shape?.[1];
  return typeof classes === 'number' ? classes : (dimsOf(prediction)[1] as number);
};

/**
 * Cross-entropy of logits [batch, classes, …] against labels int64 [batch, …], with class weights and label smoothing as PyTorch's CrossEntropyLoss.
 * @throws INVALID_ARGUMENT for settings that cannot be; when compiled, for another number of weights than classes.
 */
export function crossEntropy(options: CrossEntropyOptions = {}): Loss {
  const { classWeights, labelSmoothing = 0, focus = 0 } = options;
  checkSettings('notNegative', { classWeights, focus });
  checkSettings('part', { labelSmoothing });
  const weighted = (m: Algebra, value: Value, like: Value) =>
    classWeights === undefined ? value : m.mul(value, weightsLike(m, classWeights, like));
  const chosen = (terms: LossTerms) =>
    weighted(terms.m, oneHot(terms.m, terms.target, classesOf(terms)), terms.prediction);
  return {
    name: focus === 0 ? 'cross_entropy' : 'focal',
    targetType: 'int64',
    ofClasses: true,
    perSample: (terms) => {
      const { m, prediction } = terms;
      const logs = m.op('LogSoftmax', [prediction], { axis: 1 });
      const hit = m.neg(m.sum(m.mul(logs, chosen(terms)), [1]));
      const smoothed = () => m.neg(m.mul(m.sum(weighted(m, logs, prediction), [1]), labelSmoothing / classesOf(terms)));
      const plain = labelSmoothing === 0 ? hit : m.add(m.mul(hit, 1 - labelSmoothing), smoothed());
      return meanOfSample(m, focus === 0 ? plain : m.mul(plain, doubt(m, { logs, labels: terms.target, focus })));
    },
    ...(classWeights === undefined ? {} : { share: (terms) => meanOfSample(terms.m, terms.m.sum(chosen(terms), [1])) }),
  };
}

/** (1 − p of the right class)^focus. */
function doubt(m: Algebra, at: { logs: Value; labels: Value; focus: number }): Value {
  const classes = at.logs.shape?.[1] as number;
  const p = m.exp(m.sum(m.mul(at.logs, oneHot(m, at.labels, classes)), [1]));
  return m.pow(m.max(m.oneMinus(p), 1e-7), at.focus);
}

/** Focal loss of classes: cross-entropy that looks past what is already right (Lin et al. 2017). @param focus γ. @default 2 */
export function focal(focus = 2, options: Omit<CrossEntropyOptions, 'focus'> = {}): Loss {
  return crossEntropy({ ...options, focus });
}

/** Settings of the binary cross-entropy. */
export interface BinaryOptions {
  /** How much the positive targets count. @default 1 */
  readonly positiveWeight?: number;
  /** Focal loss: each element counts (1 − p)^focus. @default 0 */
  readonly focus?: number;
}

/** Binary cross-entropy of logits against 0 … 1, as PyTorch's BCEWithLogitsLoss: w t softplus(−x) + (1 − t) softplus(x). */
export function binaryCrossEntropy(options: BinaryOptions = {}): Loss {
  const { positiveWeight = 1, focus = 0 } = options;
  checkSettings('notNegative', { positiveWeight, focus });
  return {
    name: focus === 0 ? 'binary_cross_entropy' : 'binary_focal',
    targetType: 'float32',
    perSample: (terms) => {
      checkSameShape(terms);
      const { m, prediction, target } = terms;
      const softplus = (x: Value) => m.op('Softplus', [x]);
      const positive = m.mul(m.mul(target, softplus(m.neg(prediction))), positiveWeight);
      const loss = m.add(positive, m.mul(m.oneMinus(target), softplus(prediction)));
      if (focus === 0) return meanOfSample(m, loss);
      const p = m.sigmoid(prediction);
      const wrong = m.add(m.mul(target, m.oneMinus(p)), m.mul(m.oneMinus(target), p));
      return meanOfSample(m, m.mul(loss, m.pow(m.max(wrong, 1e-7), focus)));
    },
  };
}

/** Settings of distillation. */
export interface DistillationOptions {
  /**
   * Share of the cross-entropy against the true labels; the rest looks at the teacher. With more than 0 the target is [batch, classes + 1], the label last. @default 0
   */
  readonly labels?: number;
}

/**
 * What a student learns from a teacher (Hinton et al. 2015): T² times the Kullback–Leibler divergence of softmax(prediction / T) from softmax(target / T),
 * logits [batch, classes] both. @param temperature T.
 */
export function distillation(temperature = 1, { labels = 0 }: DistillationOptions = {}): Loss {
  checkSettings('positive', { temperature });
  checkSettings('part', { labels });
  const divergence: Loss['perSample'] = (terms) => {
    checkSameShape(terms);
    const { m, prediction, target } = terms;
    const logs = (x: Value) => m.op('LogSoftmax', [m.div(x, temperature)], { axis: 1 });
    const [student, teacher] = [logs(prediction), logs(target)];
    return m.mul(sumOfSample(m, m.mul(m.exp(teacher), m.sub(teacher, student))), temperature ** 2);
  };
  const loss = { name: 'distillation', targetType: 'float32' } as const;
  if (labels === 0) return { ...loss, perSample: divergence };
  const hard = crossEntropy();
  return {
    ...loss,
    perSample: (terms) => {
      const { m, prediction, target } = terms;
      if (target.shape?.length !== 2 || target.shape[1] !== classesOf(terms) + 1)
        throw wrongSetting(`the target must be [batch, ${classesOf(terms)} + 1], the label last`, 'target');
      const [teacher, label] = m.split(target, 1, [classesOf(terms), 1]) as [Value, Value];
      const right = m.cast(m.op('Squeeze', [label, m.int64([1])]), 'int64');
      const soft = divergence({ m, prediction, target: teacher });
      return m.add(m.mul(soft, 1 - labels), m.mul(hard.perSample({ m, prediction, target: right }), labels));
    },
  };
}
