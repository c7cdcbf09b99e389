// Optimisers as graph arithmetic. Each follows PyTorch's form of the rule, so that the same settings mean the same training.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSettings, wrongSetting } from '../settings.ts';

/** One parameter's update. */
export interface Update {
  readonly parameter: Value;
  readonly gradient: Value;
  /** What the optimiser remembers of this parameter, in the order of `slots`. */
  readonly slots: readonly Value[];
  /** What `prepare` computed. */
  readonly scalars: Readonly<Record<string, Value>>;
  /** Learning rate, a scalar. */
  readonly rate: Value;
}

/** An optimiser: what it remembers of each parameter and how it changes it. */
export interface Optimiser {
  readonly name: string;
  /** Names of the tensors kept for each parameter, all starting at zero. */
  readonly slots: readonly string[];
  /** Numbers shared by all parameters in one step. `step` counts from 1. */
  prepare(m: Algebra, at: { step: Value; rate: Value }): Record<string, Value>;
  update(m: Algebra, one: Update): { readonly parameter: Value; readonly slots: readonly Value[] };
}

/** Settings of Adam. */
export interface AdamOptions {
  /** Decay of the first moment. @default 0.9 */
  readonly beta1?: number;
  /** Decay of the second moment. @default 0.999 */
  readonly beta2?: number;
  /** Added to the root of the second moment. @default 1e-8 */
  readonly epsilon?: number;
  /** L2 penalty added to the gradient (Adam) or decoupled decay (AdamW). @default 0, AdamW 0.01 */
  readonly weightDecay?: number;
}

const none = (): Record<string, Value> => ({});

/** Adds the L2 penalty's gradient. */
function penalised(m: Algebra, { gradient, parameter }: Update, weightDecay: number): Value {
  return weightDecay === 0 ? gradient : m.add(gradient, m.mul(parameter, weightDecay));
}

/**
 * Adam (Kingma & Ba 2015). The slots hold m/(1 − β₁) and v/(1 − β₂), and the bias corrections are folded into two scalars, which saves four
 * passes over the parameters: p ← p − c m' / (√v' + ε'), c = rate (1−β₁)/(1−β₁ᵗ) s, ε' = ε s, s = √((1−β₂ᵗ)/(1−β₂)).
 * The scalars are computed in float64: in float32, 1 − 0.999ᵗ is off by 1e-5 in the first steps, enough to tip a ReLU or a pool later on.
 */
export function adam(options: AdamOptions = {}): Optimiser {
  return adamRule('adam', options.weightDecay ?? 0, { ...options, decoupled: false });
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019): p ← p (1 − rate · weightDecay) before Adam's step. */
export function adamW(options: AdamOptions = {}): Optimiser {
  return adamRule('adamw', options.weightDecay ?? 0.01, { ...options, decoupled: true });
}

function adamRule(name: string, decay: number, options: AdamOptions & { decoupled: boolean }): Optimiser {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decoupled } = options;
  checkSettings('share', { beta1, beta2 });
  checkSettings('notNegative', { epsilon, weightDecay: decay });
  return {
    name,
    slots: ['moment1', 'moment2'],
    prepare: (m, at) => {
      const [step, rate] = [m.cast(at.step, 'float64'), m.cast(at.rate, 'float64')];
      const correction = (beta: number) => m.oneMinus(m.pow(m.number(beta, 'float64'), step));
      const scale = m.sqrt(m.div(correction(beta2), 1 - beta2));
      const size = m.mul(m.div(m.mul(rate, 1 - beta1), correction(beta1)), scale);
      return {
        size: m.cast(size, 'float32'),
        epsilon: m.cast(m.mul(scale, epsilon), 'float32'),
        ...(decoupled && decay !== 0 ? { keep: m.cast(m.oneMinus(m.mul(rate, decay)), 'float32') } : {}),
      };
    },
    update: (m, one) => {
      const { slots, scalars } = one;
      const gradient = decoupled ? one.gradient : penalised(m, one, decay);
      const parameter = scalars['keep'] === undefined ? one.parameter : m.mul(one.parameter, scalars['keep']);
      const moment1 = m.add(m.mul(slots[0] as Value, beta1), gradient);
      const moment2 = m.add(m.mul(slots[1] as Value, beta2), m.square(gradient));
      const direction = m.div(moment1, m.add(m.sqrt(moment2), scalars['epsilon'] as Value));
      return { parameter: m.sub(parameter, m.mul(direction, scalars['size'] as Value)), slots: [moment1, moment2] };
    },
  };
}

/** Settings of stochastic gradient descent. */
export interface SgdOptions {
  /** @default 0 */
  readonly momentum?: number;
  /** Nesterov's form of momentum. @default false */
  readonly nesterov?: boolean;
  /** L2 penalty. @default 0 */
  readonly weightDecay?: number;
}

/** Stochastic gradient descent: v ← μ v + g; p ← p − rate v (Nesterov: p − rate (g + μ v)). */
export function sgd(options: SgdOptions = {}): Optimiser {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  checkSettings('notNegative', { momentum, weightDecay });
  if (nesterov && momentum === 0) throw wrongSetting('Nesterov is a form of momentum, and momentum is 0', 'momentum');
  return {
    name: 'sgd',
    slots: momentum === 0 ? [] : ['velocity'],
    prepare: none,
    update: (m, one) => {
      const gradient = penalised(m, one, weightDecay);
      if (momentum === 0) return { parameter: m.sub(one.parameter, m.mul(gradient, one.rate)), slots: [] };
      const velocity = m.add(m.mul(one.slots[0] as Value, momentum), gradient);
      const direction = nesterov ? m.add(gradient, m.mul(velocity, momentum)) : velocity;
      return { parameter: m.sub(one.parameter, m.mul(direction, one.rate)), slots: [velocity] };
    },
  };
}

/** Settings of RMSprop. */
export interface RmsPropOptions {
  /** Decay of the mean square. @default 0.99 */
  readonly alpha?: number;
  /** @default 1e-8 */
  readonly epsilon?: number;
  /** @default 0 */
  readonly weightDecay?: number;
}

/** RMSprop (Hinton 2012): v ← α v + (1−α) g²; p ← p − rate g / (√v + ε). */
export function rmsProp(options: RmsPropOptions = {}): Optimiser {
  const { alpha = 0.99, epsilon = 1e-8, weightDecay = 0 } = options;
  checkSettings('share', { alpha });
  checkSettings('notNegative', { epsilon, weightDecay });
  return {
    name: 'rmsprop',
    slots: ['square'],
    prepare: none,
    update: (m, one) => {
      const gradient = penalised(m, one, weightDecay);
      const square = m.add(m.mul(one.slots[0] as Value, alpha), m.mul(m.square(gradient), 1 - alpha));
      const direction = m.div(gradient, m.add(m.sqrt(square), epsilon));
      return { parameter: m.sub(one.parameter, m.mul(direction, one.rate)), slots: [square] };
    },
  };
}

/** Settings of Adagrad. */
export interface AdagradOptions {
  /** @default 1e-10 */
  readonly epsilon?: number;
  /** @default 0 */
  readonly weightDecay?: number;
}

/** Adagrad (Duchi et al. 2011): v ← v + g²; p ← p − rate g / (√v + ε). */
export function adagrad(options: AdagradOptions = {}): Optimiser {
  const { epsilon = 1e-10, weightDecay = 0 } = options;
  checkSettings('notNegative', { epsilon, weightDecay });
  return {
    name: 'adagrad',
    slots: ['sum'],
    prepare: none,
    update: (m, one) => {
      const gradient = penalised(m, one, weightDecay);
      const sum = m.add(one.slots[0] as Value, m.square(gradient));
      const direction = m.div(gradient, m.add(m.sqrt(sum), epsilon));
      return { parameter: m.sub(one.parameter, m.mul(direction, one.rate)), slots: [sum] };
    },
  };
}
