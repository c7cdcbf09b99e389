// What a data set must be before a training starts: complete, of one length, with labels that the network has classes for.
import { SanderlingError } from '@sanderling/kit';
import type { RunTensor } from '@sanderling/onnx';
import type { TrainingPlan } from '../compile/plan.ts';
import { targetName } from '../compile/reader.ts';

type Data = Readonly<Record<string, RunTensor>>;

/** @throws INVALID_DATA naming the tensor that is missing, misshapen, of another length than the rest, or has impossible labels. */
export function checkData(plan: TrainingPlan, data: Data): void {
  const lengths = new Map<string, number>();
  for (const { name, dtype, shape } of plan.reader.inputs) {
    const tensor = data[name];
    const fits = tensor !== undefined && tensor.dtype === dtype && tensor.dims.length === shape.length;
    if (!fits || !shape.every((dim, i) => typeof dim !== 'number' || dim === tensor.dims[i])) {
      throw new SanderlingError('INVALID_DATA', `the data set needs ${name}: ${dtype} [${shape.join(', ')}]`, {
        where: name,
        details: { got: tensor === undefined ? null : { dtype: tensor.dtype, dims: [...tensor.dims] } },
      });
    }
    if (shape[0] === 'rows') lengths.set(name, tensor.dims[0] as number);
  }
  const [[first = '', rows = 0] = []] = lengths;
  for (const [name, length] of lengths) {
    if (length !== rows)
      throw new SanderlingError('INVALID_DATA', `${name} has ${length} rows and ${first} has ${rows}`, { where: name });
  }
  if (plan.loss.ofClasses === true) checkLabels(plan, data[targetName]);
  checkIds(plan, data);
  checkWeights(plan, data);
}

/** Whole numbers that pick rows of a table (an embedding) must name rows that are there. */
function checkIds({ network, reader }: TrainingPlan, data: Data): void {
  const { initializers, nodes } = network.graph;
  for (const { opType, inputs, attributes } of nodes) {
    const [table, ids] = inputs as [string, string];
    const rows =
      opType === 'Gather' && Number(attributes['axis']?.value ?? 0) === 0 && initializers.get(table)?.dims[0];
    const given = reader.inputs.some(({ name }) => name === ids) ? data[ids]?.data : undefined;
    if (typeof rows !== 'number' || !(given instanceof BigInt64Array || given instanceof Int32Array)) continue;
    const at = given.findIndex((id: number | bigint) => id < 0 || id >= rows);
    if (at >= 0)
      throw new SanderlingError(
        'INVALID_DATA',
        `${ids} has ${given[at]} at position ${at}, but its table has ${rows} rows`,
        {
          where: ids,
        },
      );
  }
}

/** Weights of samples are not negative. */
function checkWeights({ weights }: TrainingPlan, data: Data): void {
  const given = weights === undefined ? undefined : data[weights]?.data;
  const at = given instanceof Float32Array ? given.findIndex((weight) => !(weight >= 0)) : -1;
  if (weights !== undefined && given !== undefined && at >= 0)
    throw new SanderlingError('INVALID_DATA', `the weight ${given[at]} at position ${at} is no number of at least 0`, {
      where: weights,
    });
}

/** Labels must be classes that the network knows. */
function checkLabels({ network, prediction }: TrainingPlan, target: RunTensor | undefined): void {
  if (target === undefined || !(target.data instanceof BigInt64Array)) return;
  const output =
    prediction === undefined ? network.graph.outputs[0] : network.graph.outputs.find(({ name }) => name === prediction);
  const classes = output?.shape?.[1];
  if (typeof classes !== 'number') return;
  const at = target.data.findIndex((label) => label < 0n || label >= BigInt(classes));
  if (at >= 0) {
    throw new SanderlingError(
      'INVALID_DATA',
      `label ${target.data[at]} at position ${at} is none of the ${classes} classes`,
      { where: targetName },
    );
  }
}

/** @throws INVALID_DATA when the samples to learn from are all of one class. */
export function checkClasses(plan: TrainingPlan, data: Data, train: Int32Array): void {
  const labels = plan.loss.ofClasses === true ? data[targetName]?.data : undefined;
  if (!(labels instanceof BigInt64Array) || labels.length === 0) return;
  const each = labels.length / (data[targetName]?.dims[0] ?? 1);
  const of = (row: number) => labels.subarray(row * each, (row + 1) * each);
  const [first] = of(train[0] ?? 0);
  if (train.some((row) => of(row).some((label) => label !== first))) return;
  throw new SanderlingError('INVALID_DATA', `all labels are ${first}: there is nothing to tell apart`, {
    where: targetName,
  });
}

/** @throws INVALID_DATA when an entry of an index names no sample. */
export function checkIndex(
  plan: TrainingPlan,
  data: Data,
  given: { readonly index: Int32Array; readonly where: string },
): void {
  const count = plan.reader.positions((name) => data[name]?.dims ?? [0]);
  const bad = given.index.find((entry) => entry < 0 || entry >= count);
  if (bad === undefined) return;
  throw new SanderlingError('INVALID_DATA', `there is no sample ${bad}, only 0 to ${count - 1}`, {
    where: given.where,
  });
}
