// Runs one detector over one stream: alarms, their worth, the accuracy of the model that is taught anew after each alarm, cost.
import { createDetector, isDetectorName } from '../detectors.ts';
import { NaiveBayes } from '../streams/learner.ts';
import { createStream, type DriftStream, type StreamSample } from '../streams/stream.ts';
import { createVectorDetector } from '../vector/vector-detectors.ts';
import { inputOf, type LabInput, type LabTask } from './config.ts';
import { fileStream } from './file-stream.ts';
import { judgeAlarms, type AlarmMetrics } from './metrics.ts';

/** What came of a task: plain JSON. */
export interface LabResult {
  readonly stream: string;
  readonly detector: string;
  /** Whether it is no detector but a baseline. */
  readonly baseline: boolean;
  readonly seed: number;
  readonly samples: number;
  readonly drifts: number;
  readonly metrics: AlarmMetrics;
  /** Samples at which it alarmed, the first 1,000. */
  readonly alarmsAt: readonly number[];
  /** Those that found a drift. */
  readonly foundAt: readonly number[];
  /** Share of right labels after the first training, the model taught anew after each alarm; null without labels. */
  readonly accuracy: number | null;
  /** Time of one update, nanoseconds: a second pass over up to 20,000 of the same inputs. */
  readonly nsPerSample: number;
  /** The detector's bound, bytes. */
  readonly bytes: number;
}

/** A detector or a baseline behind one door. */
interface Subject {
  readonly bytes: number;
  /** Takes a sample. @returns whether it alarms. */
  readonly update: (input: ArrayLike<number>, index: number) => boolean;
}

/** Inputs kept for the second, timed pass. */
const timedInputs = 20_000;
const keptAlarms = 1000;

/** Runs a task to its end. @throws as reading the stream or making the detector does */
export function runTask(task: LabTask): LabResult {
  const stream =
    'made' in task.stream
      ? createStream({ ...task.stream.made, seed: task.seed })
      : fileStream(task.stream.name, task.stream.file);
  const input = inputOf(task.stream, task.detector) ?? 'none';
  const run = new Run(stream, input, task);
  for (const sample of stream.samples()) run.take(sample);
  return {
    stream: task.stream.name,
    detector: task.detector.name,
    baseline: 'baseline' in task.detector,
    seed: task.seed,
    samples: stream.length,
    drifts: stream.drifts.length,
    ...judgeAlarms(run.alarms, stream, task.acceptance),
    alarmsAt: run.alarms.slice(0, keptAlarms),
    accuracy: run.accuracy,
    nsPerSample: timeOf(subjectOf(task, stream), run.inputs),
    bytes: run.bytes,
  };
}

/** One pass over a stream. */
class Run {
  readonly alarms: number[] = [];
  readonly inputs: ArrayLike<number>[] = [];
  readonly #input: LabInput;
  readonly #subject: Subject;
  readonly #training: number;
  readonly #features: number;
  readonly #labelled: boolean;
  #model: NaiveBayes;
  #index = 0;
  #judged = 0;
  #right = 0;

  constructor(stream: DriftStream, input: LabInput, task: LabTask) {
    this.#input = input;
    this.#subject = subjectOf(task, stream);
    this.#training = task.training;
    this.#features = stream.features;
    this.#model = new NaiveBayes(stream.features);
    this.#labelled = stream.labelled;
  }

  get accuracy(): number | null {
    return this.#labelled && this.#judged > 0 ? this.#right / this.#judged : null;
  }

  get bytes(): number {
    return this.#subject.bytes;
  }

  /** One sample: the model is judged, the detector fed; while the model is being taught, errors mean nothing and are not fed. */
  take(sample: StreamSample): void {
    const index = this.#index++;
    const teaching = this.#labelled && this.#model.n < this.#training;
    const right = this.#labelled ? this.#model.predict(sample.x) === sample.label : true;
    if (this.#labelled && index >= this.#training) {
      this.#judged += 1;
      this.#right += Number(right);
    }
    if (teaching) this.#model.learn(sample);
    if (teaching && this.#input === 'error') return;
    const input = this.#inputOf(sample, right);
    if (this.inputs.length < timedInputs) this.inputs.push(input);
    if (!this.#subject.update(input, index)) return;
    this.alarms.push(index);
    if (this.#labelled) this.#model = new NaiveBayes(this.#features);
  }

  #inputOf({ x }: StreamSample, right: boolean): ArrayLike<number> {
    switch (this.#input) {
      case 'vector':
        return x.slice();
      case 'value':
        return [x[0] as number];
      case 'error':
        return [Number(!right)];
      case 'none':
        return [0];
    }
  }
}

function subjectOf({ detector: entry, seed }: LabTask, { features, drifts }: DriftStream): Subject {
  if ('baseline' in entry) {
    const at = new Set(entry.baseline === 'oracle' ? drifts.map(({ start }) => start) : []);
    const k = entry.baseline === 'every' ? entry.k : 0;
    // The seed shifts the beat, or it would fall on the drifts of evenly spaced streams.
    const phase = 1 + ((Math.abs(seed) * 7919) % Math.max(1, k));
    return { bytes: 0, update: (_input, index) => at.has(index) || (k > 0 && index % k === phase % k) };
  }
  if (isDetectorName(entry.detector)) {
    const detector = createDetector(entry.detector, entry.options);
    const update = (input: ArrayLike<number>): boolean => {
      detector.update(input[0] as number);
      return detector.driftDetected;
    };
    return { bytes: detector.maxBytes, update };
  }
  const detector = createVectorDetector(entry.detector, features, entry.options);
  const update = (x: ArrayLike<number>): boolean => {
    detector.update(x);
    return detector.driftDetected;
  };
  return { bytes: detector.maxBytes, update };
}

function timeOf(subject: Subject, inputs: readonly ArrayLike<number>[]): number {
  const begin = process.hrtime.bigint();
  inputs.forEach((input, index) => subject.update(input, index));
  return inputs.length === 0 ? 0 : Number(process.hrtime.bigint() - begin) / inputs.length;
}
