// The schema of a lab's config file, as data: docs for people, completion in editors (`lab/schema.json` is made from it), and the check.
import { detectorNames } from '../detectors.ts';
import { conceptNames } from '../streams/concepts.ts';
import { driftKinds } from '../streams/stream.ts';
import { vectorDetectorNames } from '../vector/vector-detectors.ts';
import type { Shape } from './check-shape.ts';

const whole = (description: string, minimum: number, rest: Partial<Shape> = {}): Shape => ({
  description,
  type: 'integer',
  minimum,
  ...rest,
});
const names = [...detectorNames, ...vectorDetectorNames];
const numbers: Shape = {
  description: 'Options of the detector by name; what is left out takes its default.',
  type: 'object',
  additionalProperties: { type: 'number' },
};
const name: Shape = { description: 'Unique among its kind; stands in the report.', type: 'string', minLength: 1 };
const seeds = (description: string): Shape => ({ description, type: 'array', minItems: 1, items: { type: 'integer' } });

const drifts: Shape = {
  description:
    'Known drift points: samples counted from 0 at which the law changes, or { start, end } (end excluded) for a change that takes time, or the ' +
    'name of a JSON file with such a list. An empty list says that the stream is known to be steady; left out, nobody knows.',
  anyOf: [
    {
      type: 'array',
      items: {
        anyOf: [
          whole('The first sample of the new law.', 0),
          {
            type: 'object',
            required: ['start', 'end'],
            properties: { start: whole('First sample.', 0), end: whole('Past the last sample.', 1) },
          },
        ],
      },
    },
    { type: 'string', minLength: 1 },
  ],
};

const made: Shape = {
  description: 'A stream that is drawn anew with each seed.',
  type: 'object',
  required: ['concept'],
  properties: {
    concept: { description: 'Family of the stream.', enum: conceptNames },
    kind: { description: 'How one concept follows another.', enum: driftKinds, default: 'abrupt' },
    length: whole('Samples.', 1, { default: 10_000 }),
    drifts: whole('Drifts, evenly spaced; 0 for a steady stream.', 0, { default: 3 }),
    width: whole('Samples that a gradual or incremental change takes.', 1),
    features: whole('Features, where the family lets one choose.', 1, { default: 10 }),
    noise: { description: 'Share of labels that are turned.', type: 'number', minimum: 0, maximum: 0.5, default: 0 },
    magnitude: {
      description: 'Size of the change, where the family has one.',
      type: 'number',
      minimum: 0,
      default: 1,
    },
  },
};

const file: Shape = {
  description: 'A recorded stream: CSV or ARFF, plain, .gz, or the first file of a .zip; one line a sample.',
  type: 'object',
  required: ['path'],
  properties: {
    path: { description: 'File, from the data folder.', type: 'string', minLength: 1 },
    drifts,
    labelled: { description: 'Whether the last column is a label.', type: 'boolean', default: true },
  },
};

const stream: Shape = {
  anyOf: [
    { type: 'object', required: ['name', 'made'], properties: { name, made } },
    { type: 'object', required: ['name', 'file'], properties: { name, file } },
  ],
};

const detector: Shape = {
  description:
    'A detector by its name alone; with options; with a grid of options, one entry for each combination; or a baseline.',
  anyOf: [
    { enum: names, type: 'string' },
    {
      type: 'object',
      required: ['detector'],
      properties: {
        name,
        detector: { description: 'Which detector.', enum: names },
        options: numbers,
        grid: {
          description: 'Options with several values each; every combination runs.',
          type: 'object',
          additionalProperties: { type: 'array', minItems: 1, items: { type: 'number' } },
        },
      },
    },
    {
      type: 'object',
      required: ['baseline'],
      properties: {
        name,
        baseline: {
          description:
            'never: no alarm at all; oracle: one at each known drift, at once; every: one every k samples, the reset that needs no detector.',
          enum: ['never', 'oracle', 'every'],
        },
        k: whole('Samples between the alarms of `every`.', 1),
      },
    },
  ],
};

const search: Shape = {
  description: 'Search over detectors’ options on three goals: delay, share missed, false alarms. Runs with --search.',
  type: 'object',
  required: ['detectors', 'trials'],
  properties: {
    detectors: {
      description: 'Names of entries in `detectors`; what their `options` set stays fixed.',
      type: 'array',
      minItems: 1,
      items: { type: 'string' },
    },
    streams: {
      description: 'Names of the streams to search on. Default: all.',
      type: 'array',
      minItems: 1,
      items: { type: 'string' },
    },
    heldOutStreams: {
      description:
        'Names of the streams that score what was found; needed where streams are recorded. Default: the same.',
      type: 'array',
      minItems: 1,
      items: { type: 'string' },
    },
    trials: whole('Sets of options tried for each detector.', 4, { maximum: 100_000 }),
    population: whole('Sets in a generation of NSGA-II.', 4, { maximum: 10_000, default: 20 }),
    seed: whole('Seed of the search.', 0, { default: 1 }),
    seeds: seeds('Seeds of the streams during the search. Default: those of the lab.'),
    heldOutSeeds: seeds('Seeds of the streams that score what was found; none of `seeds`. Default: five from 1001.'),
    reference: {
      description: 'Worst delay, share missed and false alarms per 1,000 that count in the hypervolume.',
      type: 'array',
      minItems: 3,
      items: { type: 'number', minimum: 0 },
    },
  },
};

/** The schema of a lab's config file. */
export const labSchema: Shape = {
  description: 'A drift lab: detectors × streams × seeds. Run with: sanderling drift lab FILE',
  type: 'object',
  required: ['streams', 'detectors'],
  properties: {
    $schema: { description: 'Where this schema lies, for editors.', type: 'string' },
    title: { description: 'Title of the report.', type: 'string' },
    about: { description: 'A few sentences under the title.', type: 'string' },
    data: {
      description: 'Folder of recorded streams, from this file; --data goes before it. Default: this file’s folder.',
      type: 'string',
    },
    fetch: { description: 'What to fetch from where when a recorded stream is missing.', type: 'string' },
    seeds: seeds('Seeds of the made streams; a recorded stream runs once. Default: 0 to 4.'),
    acceptance: {
      description: 'An alarm from `before` samples ahead of a drift to `after` samples past its end finds it.',
      type: 'object',
      properties: {
        before: whole('Samples ahead of the start.', 0, { default: 0 }),
        after: whole('Samples past the end.', 0, { default: 1000 }),
      },
    },
    training: whole('Samples that the model of a labelled stream learns at first and after each alarm.', 10, {
      default: 500,
    }),
    streams: { description: 'Streams with known drift points.', type: 'array', minItems: 1, items: stream },
    detectors: { description: 'Detectors and baselines.', type: 'array', minItems: 1, items: detector },
    search,
  },
};
