// The typed client of the hub's public API, for the CLI, the console and anybody's scripts. Needs only `fetch`.
import { SanderlingError, type ErrorBody } from '@sanderling/kit';
import type {
  ApiKey,
  ApiScope,
  Artifact,
  Collection,
  CollectionRequest,
  Dataset,
  Device,
  EnrolmentTokenInfo,
  Execution,
  ExecutionLog,
  Experiment,
  Forecast,
  HubEvent,
  IngestAnswer,
  MetricPoint,
  ModelVersion,
  MonitoringPoint,
  Project,
  Quality,
  Release,
  Rollout,
  Run,
  StoredReading,
} from './api.ts';
import type { ProjectInput } from './project.ts';

/** One page of a list; `next` is the cursor of the following one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/** Where in a list to be. */
export interface PageQuery {
  /** @default the hub's own, 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

/** How to reach a hub. */
export interface HubClientOptions {
  /** Such as `http://127.0.0.1:7411`. */
  readonly url: string;
  /** An API key `sdk_…`. */
  readonly key: string;
  /** Longest wait for an answer, milliseconds; uploads and streams have none. @default 30000 */
  readonly timeoutMs?: number;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface CallOptions {
  readonly query?: Query;
  /** An object is sent as JSON; text, bytes and streams as they are, with `type`. */
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The hub's API. Every method throws a SanderlingError: the hub's own, or UNAVAILABLE when it cannot be reached. */
export class HubClient {
  readonly #options: HubClientOptions;

  constructor(options: HubClientOptions) {
    this.#options = options;
  }

  saveProject(spec: ProjectInput): Promise<Project> {
    return this.#json('PUT', `/projects/${spec.name}`, { body: spec });
  }
  project(name: string): Promise<Project> {
    return this.#json('GET', `/projects/${name}`);
  }
  projects(query?: PageQuery): Promise<Page<Project>> {
    return this.#json('GET', '/projects', { query: { ...query } });
  }

  /** Stores readings. `idempotencyKey`: sending the same key again stores nothing and returns the first answer. */
  storeReadings(
    project: string,
    readings: readonly { readonly time: number | string; readonly value: number }[],
    idempotencyKey?: string,
  ): Promise<IngestAnswer> {
    return this.#json('POST', `/projects/${project}/readings`, {
      body: readings,
      headers: idempotency(idempotencyKey),
    });
  }
  /** Imports a CSV file; columns are found by the hub unless told. */
  importCsv(
    project: string,
    csv: ReadableStream<Uint8Array> | Uint8Array,
    options: {
      readonly time?: string;
      readonly value?: string;
      readonly idempotencyKey?: string;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<IngestAnswer> {
    const { idempotencyKey, signal, ...query } = options;
    return this.#json('POST', `/projects/${project}/readings`, {
      body: csv,
      type: 'text/csv',
      query,
      headers: idempotency(idempotencyKey),
      ...(signal === undefined ? {} : { signal }),
    });
  }
  readings(
    project: string,
    query?: PageQuery & { readonly from?: number; readonly to?: number; readonly newest?: number },
  ): Promise<Page<StoredReading>> {
    return this.#json('GET', `/projects/${project}/readings`, { query: { ...query } });
  }

  /** How many readings there are, and from when to when. */
  readingSpan(
    project: string,
  ): Promise<{ readonly count: number; readonly firstTime: number | null; readonly lastTime: number | null }> {
    return this.#json('GET', `/projects/${project}/readings/span`);
  }

  createDataset(project: string): Promise<Dataset> {
    return this.#json('POST', `/projects/${project}/datasets`, { body: {} });
  }
  datasets(project: string, query?: PageQuery): Promise<Page<Dataset>> {
    return this.#json('GET', `/projects/${project}/datasets`, { query: { ...query } });
  }
  dataset(digest: string): Promise<Dataset> {
    return this.#json('GET', `/datasets/${digest}`);
  }
  datasetQuality(digest: string): Promise<Quality> {
    return this.#json('GET', `/datasets/${digest}/quality`);
  }
  datasetCsv(digest: string): Promise<ReadableStream<Uint8Array>> {
    return this.#stream(`/datasets/${digest}/rows.csv`);
  }

  train(project: string): Promise<Execution> {
    return this.#json('POST', `/projects/${project}/train`, { body: {} });
  }
  executions(project: string, query?: PageQuery): Promise<Page<Execution>> {
    return this.#json('GET', `/projects/${project}/executions`, { query: { ...query } });
  }
  execution(id: string): Promise<Execution> {
    return this.#json('GET', `/executions/${id}`);
  }
  executionLog(id: string): Promise<ExecutionLog> {
    return this.#json('GET', `/executions/${id}/log`);
  }
  cancelExecution(id: string): Promise<Execution> {
    return this.#json('POST', `/executions/${id}/cancel`, { body: {} });
  }

  experiments(project: string, query?: PageQuery): Promise<Page<Experiment>> {
    return this.#json('GET', `/projects/${project}/experiments`, { query: { ...query } });
  }
  runs(experiment: string, query?: PageQuery): Promise<Page<Run>> {
    return this.#json('GET', `/experiments/${experiment}/runs`, { query: { ...query } });
  }
  run(id: string): Promise<Run> {
    return this.#json('GET', `/runs/${id}`);
  }
  metricHistory(run: string, metric: string): Promise<Page<MetricPoint>> {
    return this.#json('GET', `/runs/${run}/metrics/${encodeURIComponent(metric)}`);
  }
  artifacts(run: string): Promise<Page<Artifact>> {
    return this.#json('GET', `/runs/${run}/artifacts`);
  }

  modelVersions(project: string, query?: PageQuery): Promise<Page<ModelVersion>> {
    return this.#json('GET', `/projects/${project}/versions`, { query: { ...query } });
  }
  modelVersion(project: string, version: number | string): Promise<ModelVersion> {
    return this.#json('GET', `/projects/${project}/versions/${version}`);
  }
  predict(
    project: string,
    request: {
      readonly steps?: number;
      readonly readings?: readonly { readonly time: number; readonly value: number }[];
    } = {},
  ): Promise<Forecast> {
    return this.#json('POST', `/projects/${project}/predict`, { body: request });
  }
  deploy(project: string, request: { readonly version?: number; readonly force?: boolean } = {}): Promise<Rollout> {
    return this.#json('POST', `/projects/${project}/deploy`, { body: request });
  }

  releases(project: string, query?: PageQuery): Promise<Page<Release>> {
    return this.#json('GET', `/projects/${project}/releases`, { query: { ...query } });
  }
  rollouts(project: string, query?: PageQuery): Promise<Page<Rollout>> {
    return this.#json('GET', `/projects/${project}/rollouts`, { query: { ...query } });
  }
  rollout(id: string): Promise<Rollout> {
    return this.#json('GET', `/rollouts/${id}`);
  }
  cancelRollout(id: string): Promise<Rollout> {
    return this.#json('POST', `/rollouts/${id}/cancel`, { body: {} });
  }

  devices(query?: PageQuery & { readonly project?: string }): Promise<Page<Device>> {
    return this.#json('GET', '/devices', { query: { ...query } });
  }
  device(id: string): Promise<Device> {
    return this.#json('GET', `/devices/${id}`);
  }
  tagDevice(id: string, tags: Readonly<Record<string, string>>): Promise<Device> {
    return this.#json('PUT', `/devices/${id}/tags`, { body: tags });
  }
  removeDevice(id: string): Promise<void> {
    return this.#json('DELETE', `/devices/${id}`);
  }
  /** Makes a one-time enrolment token; its text is in `token`, this once. */
  createToken(project: string, request: { readonly expiresIn?: string } = {}): Promise<EnrolmentTokenInfo> {
    return this.#json('POST', `/projects/${project}/tokens`, { body: request });
  }

  monitoring(
    project: string,
    query?: { readonly from?: number; readonly to?: number; readonly device?: string; readonly limit?: number },
  ): Promise<Page<MonitoringPoint>> {
    return this.#json('GET', `/projects/${project}/monitoring`, { query: { ...query } });
  }
  events(query?: {
    readonly after?: number;
    readonly project?: string;
    readonly limit?: number;
  }): Promise<Page<HubEvent>> {
    return this.#json('GET', '/events', { query: { ...query } });
  }

  apiKeys(): Promise<Page<ApiKey>> {
    return this.#json('GET', '/keys');
  }
  createApiKey(request: {
    readonly name: string;
    readonly scope: ApiScope;
  }): Promise<ApiKey & { readonly key: string }> {
    return this.#json('POST', '/keys', { body: request });
  }
  revokeApiKey(id: string): Promise<ApiKey> {
    return this.#json('DELETE', `/keys/${id}`);
  }

  /** Begins to remove blobs that no row names; `collection` tells how it goes. Needs an administrator's key. */
  beginCollection(request: CollectionRequest): Promise<Collection> {
    return this.#json('POST', '/storage/collection', { body: request });
  }
  /** The newest one. */
  collection(): Promise<Collection> {
    return this.#json('GET', '/storage/collection');
  }
  /** Ends the one that runs; what it removed stays removed. */
  cancelCollection(): Promise<Collection> {
    return this.#json('DELETE', '/storage/collection');
  }

  /** Events behind `after`, then live ones, until the signal aborts. Reconnects by itself and misses nothing. */
  async *followEvents(
    query: { readonly after?: number; readonly project?: string },
    signal: AbortSignal,
  ): AsyncGenerator<HubEvent> {
    let after = query.after ?? 0;
    while (!signal.aborted) {
      try {
        const stream = await this.#stream('/events/stream', { query: { ...query, after }, signal });
        for await (const event of serverSentEvents(stream)) {
          after = event.seq;
          yield event;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SanderlingError) || error.code !== 'UNAVAILABLE') throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  async #json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.#call(method, path, options);
    if (response.status === 204) return undefined as T;
    return (await response.json()) as T;
  }

  async #stream(path: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#call('GET', path, { headers: { accept: 'text/event-stream, */*' }, ...options });
    return response.body ?? new ReadableStream();
  }

  async #call(method: string, path: string, options: CallOptions): Promise<Response> {
    const url = new URL(`/api/v1${path}`, this.#options.url);
    for (const [name, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const isStream = options.type !== undefined || options.headers?.['accept'] !== undefined;
    const deadline = isStream ? undefined : AbortSignal.timeout(this.#options.timeoutMs ?? 30_000);
    const signals = [deadline, options.signal].filter((signal) => signal !== undefined);
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${this.#options.key}`,
        ...(options.body === undefined ? {} : { 'content-type': options.type ?? 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : {
            body:
              options.type === undefined
                ? JSON.stringify(options.body)
                : (options.body as Uint8Array<ArrayBuffer> | ReadableStream),
            duplex: 'half',
          }),
      signal: AbortSignal.any(signals),
    }).catch((error: unknown) => {
      throw unreachable(this.#options.url, error);
    });
    if (!response.ok) throw await answeredError(response);
    return response;
  }
}

function idempotency(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined ? {} : { 'idempotency-key': key };
}

function unreachable(url: string, cause: unknown): SanderlingError {
  if (cause instanceof Error && cause.name === 'TimeoutError')
    return new SanderlingError('TIMEOUT', `the hub at ${url} did not answer in time`, { cause });
  if (cause instanceof Error && cause.name === 'AbortError')
    return new SanderlingError('CANCELLED', 'cancelled', { cause });
  return new SanderlingError('UNAVAILABLE', `no hub answers at ${url}`, {
    fix: 'start one with: sanderling hub',
    cause,
  });
}

async function answeredError(response: Response): Promise<SanderlingError> {
  const text = await response.text();
  try {
    return SanderlingError.fromBody((JSON.parse(text) as { error: ErrorBody }).error);
  } catch (error) {
    return new SanderlingError('UNAVAILABLE', `the hub answered ${response.status} ${response.statusText}`, {
      cause: error,
    });
  }
}

/** Reads `data:` lines of a text/event-stream (WHATWG HTML, server-sent events). */
async function* serverSentEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<HubEvent> {
  let rest = '';
  try {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('data:')) yield JSON.parse(line.slice(5)) as HubEvent;
    }
  } catch (error) {
    throw error instanceof SanderlingError
      ? error
      : new SanderlingError('UNAVAILABLE', 'the event stream broke off', { cause: error });
  }
}
