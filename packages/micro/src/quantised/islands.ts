// Quantised parts of a program become integer layers: QuantizeLinear(operator(DequantizeLinear …)) is one layer over codes, and so are the QLinear operators.
// What has no integer layer keeps its float layer between DequantizeLinear and QuantizeLinear. uint8 codes are seen as int8 ones, 128 less; convolutions and pools
// work with channels last, and the moves between layouts are as few as the graph allows.
import type { Layer, Program, Quantisation, Value } from '../ir.ts';
import { dequantised, parametersOf, realTensor, weightsFrom } from './constants.ts';
import { Draft, finished, lastOrder, permuted, sameQuantisation, type Layout, type Twin } from './draft.ts';
import { unbounded } from './fixed-point.ts';
import { convolutionTwin, integerTwin, matrixTwin, type Wish } from './integer-layers.ts';
import { isMover, movedTwin } from './moves.ts';
import { recurrentTwins } from './plan-recurrent.ts';

/** Rewrites a program; one without quantised parts is given back as it is. */
export function withIntegerLayers(program: Program): Program {
  const quantised = program.layers.some(({ operator }) => /Quantize|QLinear/.test(operator));
  return quantised ? new Islands(program).program() : program;
}

class Islands {
  readonly #draft: Draft;
  readonly #quantised = new Map<Value, { to: Quantisation; twin: Twin }[]>();
  #states: Program['states'];

  constructor(program: Program) {
    this.#draft = new Draft(program);
    this.#states = program.states;
  }

  program(): Program {
    for (const layer of this.#draft.program.layers) this.#visit(layer);
    return withoutConstantReals(finished(this.#draft, { states: this.#states }), this.#draft);
  }

  #visit(layer: Layer): void {
    switch (layer.operator) {
      case 'QuantizeLinear':
        return this.#quantise(layer);
      case 'DequantizeLinear':
        return this.#dequantise(layer);
      case 'QLinearConv':
      case 'QLinearMatMul':
        return this.#product(layer);
      case 'GRU':
      case 'LSTM':
        return this.#recurrent(layer);
      default:
        this.#draft.layers.push(layer);
    }
  }

  readonly #twinOf = (value: Value): Twin | undefined => {
    const { twins, producers } = this.#draft;
    const known = twins.get(value);
    if (known) return known;
    const layer = producers.get(value);
    if (!layer || !isMover(layer)) return undefined;
    const x = this.#twinOf(layer.inputs[0]!);
    const moved = x && movedTwin(this.#draft, layer, value, x);
    if (moved) twins.set(value, moved);
    return moved;
  };

  #quantise(layer: Layer): void {
    const [x, scale, zero] = layer.inputs;
    const out = layer.outputs[0]!;
    const to = parametersOf(scale, zero, out.dtype);
    if (!to || x!.role === 'constant') {
      this.#draft.layers.push(layer);
      return;
    }
    const before = this.#quantised.get(x!) ?? [];
    const twin =
      before.find((one) => sameQuantisation(one.to, to))?.twin ??
      integerTwin(this.#draft, x!, { to, layer, twinOf: this.#twinOf }) ??
      this.#fromReal(x!, to, layer);
    this.#quantised.set(x!, [...before, { to, twin }]);
    this.#store(layer, out, twin);
  }

  /** Codes straight from real numbers, in the layout that is asked for first. */
  #fromReal(x: Value, to: Quantisation, layer: Layer): Twin {
    const identity = x.dims.map((_, axis) => axis);
    return {
      dims: x.dims,
      dtype: 'int8',
      quantisation: to,
      forms: new Map(),
      make: (layout: Layout) => {
        const order = layout === 'last' ? lastOrder(x.dims.length) : identity;
        return this.#draft.add(layer, 'Int8Quantise', {
          to: { dtype: 'int8', quantisation: to, dims: permuted(x.dims, order) },
          inputs: [x],
          work: { kind: 'convert', order, flip: false },
        });
      },
    };
  }

  /** The value of the model itself, for whoever reads it as it is; gone again if nobody does. */
  #store(layer: Layer, out: Value, twin: Twin): void {
    this.#draft.twins.set(out, twin);
    const order = out.dims.map((_, axis) => axis);
    const inputs = [this.#draft.form(apart(twin), 'plain', layer)];
    const work = { kind: 'convert', order, flip: out.dtype === 'uint8' } as const;
    this.#draft.emit(layer, 'Int8Move', { inputs, outputs: [out], work });
  }

  #dequantise(layer: Layer): void {
    const [codes, scale, zero] = layer.inputs;
    const out = layer.outputs[0]!;
    const quantisation = codes!.role === 'constant' ? undefined : parametersOf(scale, zero, codes!.dtype);
    const twin = quantisation && this.#codes(codes!, quantisation, layer);
    if (!twin) {
      this.#draft.layers.push(layer);
      return;
    }
    this.#draft.twins.set(out, twin);
    this.#real(layer, out, twin);
  }

  /** Real numbers for float layers and the caller; gone again if nobody reads them. */
  #real(layer: Layer, out: Value, twin: Twin): void {
    const layout: Layout = twin.forms.has('plain') || !twin.forms.has('last') ? 'plain' : 'last';
    const rank = twin.dims.length;
    const order =
      layout === 'last' ? twin.dims.map((_, axis) => lastOrder(rank).indexOf(axis)) : twin.dims.map((_, axis) => axis);
    const inputs = [this.#draft.form(apart(twin), layout, layer)];
    this.#draft.emit(layer, 'Int8Dequantise', {
      inputs,
      outputs: [out],
      work: { kind: 'convert', order, flip: false },
    });
  }

  /** The twin of an integer value of the model under the parameters of who reads it. */
  #codes(value: Value, quantisation: Quantisation, layer: Layer): Twin {
    const known = this.#twinOf(value);
    if (known && sameQuantisation(known.quantisation, quantisation)) return known;
    const moved = this.#draft.add(layer, 'Int8Move', {
      to: { dtype: 'int8', quantisation, dims: value.dims },
      inputs: [value],
      work: { kind: 'convert', order: value.dims.map((_, axis) => axis), flip: value.dtype === 'uint8' },
    });
    const twin = this.#draft.twin(moved, 'plain');
    if (!known) this.#draft.twins.set(value, twin);
    return twin;
  }

  /** QLinearConv and QLinearMatMul with constant parameters. */
  #product(layer: Layer): void {
    const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, b] = layer.inputs;
    const out = layer.outputs[0]!;
    const from = parametersOf(xScale, xZero, x!.dtype);
    const to = parametersOf(yScale, yZero, out.dtype);
    const conv = layer.operator === 'QLinearConv';
    const weights = weightsFrom(w, wScale, wZero, conv ? 0 : w!.dims.length - 1);
    if (from && to && weights && (!b || b.data) && x!.role !== 'constant') {
      const wish: Wish = { draft: this.#draft, twinOf: this.#twinOf, layer, to, bounds: unbounded };
      const twin = this.#codes(x!, from, layer);
      const made = conv
        ? convolutionTwin(wish, twin, { weights, bias: biasOf(b, weights.scales, from), to, bounds: unbounded })
        : matrixTwin(wish, twin, { weights, turned: false, factor: 1, bias: undefined });
      if (made) return this.#store(layer, out, made);
    }
    this.#draft.layers.push(layer);
  }

  #recurrent(layer: Layer): void {
    const found = recurrentTwins(this.#draft, layer, { twinOf: this.#twinOf, states: this.#states });
    if (!found) {
      this.#draft.layers.push(layer);
      return;
    }
    this.#states = found.states;
    for (const [out, twin] of found.twins) {
      this.#draft.twins.set(out, twin);
      this.#real(layer, out, twin);
    }
  }
}

/** A twin whose forms made from now on are nobody else's: what is made in case somebody reads it must not decide how others read it. */
const apart = (twin: Twin): Twin => ({ ...twin, forms: new Map(twin.forms) });

/** The int32 bias of a QLinearConv in real numbers. */
function biasOf(bias: Value | undefined, scales: readonly number[], from: Quantisation): readonly number[] | undefined {
  if (!bias?.data) return undefined;
  const codes = new Int32Array(bias.data.data.slice().buffer);
  return Array.from(codes, (code, i) => code * (from.scale[0]! * scales[scales.length === 1 ? 0 : i]!));
}

/** DequantizeLinear of constants that is left becomes a float constant. */
function withoutConstantReals(program: Program, draft: Draft): Program {
  const replaced = new Map<Value, Value>();
  const layers = program.layers.filter((layer) => {
    const reals = layer.operator === 'DequantizeLinear' ? dequantised(layer) : undefined;
    const out = layer.outputs[0];
    if (!reals || !out || out.dtype !== 'float32' || draft.isShown(out)) return true;
    const data = realTensor(out.dims, reals);
    replaced.set(out, draft.define(out.name, { dtype: 'float32', dims: out.dims, role: 'constant', data }));
    return false;
  });
  if (replaced.size === 0) return program;
  const current = (value: Value | undefined): Value | undefined => (value && replaced.get(value)) ?? value;
  const renewed = layers.map((layer, index) => Object.freeze({ ...layer, index, inputs: layer.inputs.map(current) }));
  const read = new Set(renewed.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]));
  const fixed = new Set([...program.inputs, ...program.states.map(({ input }) => input)]);
  const values = [...program.values, ...replaced.values()].filter((value) => read.has(value) || fixed.has(value));
  return Object.freeze({ ...program, layers: Object.freeze(renewed), values: Object.freeze(values) });
}
