// Settings that cannot be are named where they are given, before anything is computed.
import { describe, expect, test } from 'vitest';
import * as losses from './losses/classification.ts';
import { angularMargin, tripletLoss } from './losses/margin.ts';
import { dice, jaccard } from './losses/overlap.ts';
import { huber, quantile, smoothL1 } from './losses/regression.ts';
import { detectionLoss } from './losses/detection.ts';
import { convolutionalAutoencoder, denseAutoencoder } from './networks/autoencoders.ts';
import { depthwiseClassifier } from './networks/depthwise.ts';
import { detectorNetwork } from './networks/detector.ts';
import { maskNetwork } from './networks/mask.ts';
import { pictureClassifier, pictureEmbedding } from './networks/picture.ts';
import { adagrad, adam, adamW, rmsProp, sgd } from './optimisers/optimisers.ts';
import { cosine, oneCycle, plateau, stepDecay, warmUp } from './optimisers/schedules.ts';

const wrong: readonly (readonly [what: string, where: string, make: () => unknown])[] = [
  ['a picture too small for three pools', 'side', () => pictureClassifier({ side: 4, classes: 2 })],
  ['no classes', 'classes', () => pictureClassifier({ side: 16, classes: 0 })],
  ['a dropout of everything', 'ratio', () => pictureClassifier({ side: 16, classes: 2, dropouts: [1, 0] })],
  ['an empty embedding', 'width', () => pictureEmbedding({ side: 16, classes: 2, width: 0 })],
  ['no inputs', 'inputs', () => denseAutoencoder({ inputs: 0 })],
  ['no layers', 'units', () => denseAutoencoder({ inputs: 4, units: [] })],
  ['a length that the pools do not divide', 'pool', () => convolutionalAutoencoder({ length: 100 })],
  [
    'fewer kernels than stages',
    'kernels',
    () => convolutionalAutoencoder({ length: 64, filters: [2, 3], kernels: [3] }),
  ],
  ['a picture without height', 'size', () => depthwiseClassifier({ size: [0, 4], classes: 2 })],
  ['a block without stride', 'blocks', () => depthwiseClassifier({ size: [8, 8], classes: 2, blocks: [[4, 0]] })],
  ['a mask that cannot be halved twice', 'size', () => maskNetwork({ size: [18, 18] })],
  ['a mask network without stages', 'filters', () => maskNetwork({ size: [16, 16], filters: [] })],
  ['a detector of another size', 'size', () => detectorNetwork({ size: [40, 40], classes: 1 })],
  [
    'filters that no stem can have',
    'filters',
    () => detectorNetwork({ size: [32, 32], classes: 1, filters: [30, 20] }),
  ],
  ['a negative class weight', 'classWeights', () => losses.crossEntropy({ classWeights: [1, -1] })],
  ['smoothing beyond everything', 'labelSmoothing', () => losses.crossEntropy({ labelSmoothing: 3 })],
  ['a negative focus', 'focus', () => losses.focal(-1)],
  ['a negative weight of positives', 'positiveWeight', () => losses.binaryCrossEntropy({ positiveWeight: -1 })],
  ['a temperature of zero', 'temperature', () => losses.distillation(0)],
  ['labels beyond everything', 'labels', () => losses.distillation(1, { labels: 2 })],
  ['a quantile beyond one', 'q', () => quantile(2)],
  ['a negative delta', 'delta', () => huber(-1)],
  ['a beta of zero', 'beta', () => smoothL1(0)],
  ['a scale of zero', 'scale', () => angularMargin({ scale: 0 })],
  ['a negative margin', 'margin', () => tripletLoss(-1)],
  ['a negative smoothing of dice', 'smooth', () => dice(-1)],
  ['a smoothing that is no number', 'smooth', () => jaccard(Number.NaN)],
  ['a detector of nothing', 'classes', () => detectionLoss({ classes: 0 })],
  ['a decay beyond one', 'beta1', () => adam({ beta1: 2 })],
  ['a negative weight decay', 'weightDecay', () => adamW({ weightDecay: -1 })],
  ['Nesterov without momentum', 'momentum', () => sgd({ nesterov: true })],
  ['a negative momentum', 'momentum', () => sgd({ momentum: -1 })],
  ['a mean square that never decays', 'alpha', () => rmsProp({ alpha: 1 })],
  ['a negative epsilon', 'epsilon', () => adagrad({ epsilon: -1 })],
  ['a cosine over no steps', 'steps', () => cosine(0.1, { steps: 0 })],
  ['a decay every no steps', 'every', () => stepDecay(0.1, { every: 0, factor: 0.5 })],
  ['a cycle of half a step', 'steps', () => oneCycle(0.1, { steps: 0.5 })],
  ['a rate below zero', 'rate', () => plateau(-0.1)],
  ['a start beyond the rate', 'from', () => warmUp(0.1, { steps: 3, from: 2 })],
];

describe('settings that cannot be', () => {
  test.each(wrong)('%s', (_, where, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', where }));
  });
});
