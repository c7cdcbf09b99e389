// Models from graphs.
import { subgraphsOf } from './attributes.ts';
import type { Graph, Model, ModelFunction } from './ir.ts';

/** The opset of a model unless told otherwise. */
export const defaultOpset = 21;

/** What a model has around its graph. */
export interface ModelOptions {
  /** Opset of the ONNX domain. @default 21 */
  readonly opset?: number;
  /** Versions of other domains; domains that nodes use and this does not name get version 1. */
  readonly opsets?: ReadonlyMap<string, number>;
  /** IR version. @default 10 */
  readonly irVersion?: number;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly functions?: readonly ModelFunction[];
  /** @default 'sanderling' */
  readonly producerName?: string;
  /** @default '' */
  readonly producerVersion?: string;
  readonly domain?: string;
  /** @default 0 */
  readonly modelVersion?: number;
  readonly doc?: string;
}

/** A model around a graph, importing exactly the operator domains that its nodes use. */
export function modelOf(graph: Graph, options: ModelOptions = {}): Model {
  const { opset = defaultOpset, opsets = new Map<string, number>(), functions = [] } = options;
  const used = new Set(['', ...domainsOf(graph), ...functions.map((fn) => fn.domain)]);
  const versions = Array.from(
    used,
    (domain) => [domain, domain === '' ? (opsets.get('') ?? opset) : (opsets.get(domain) ?? 1)] as const,
  );
  return {
    irVersion: options.irVersion ?? 10,
    opsets: new Map(versions),
    graph,
    functions,
    metadata: options.metadata ?? new Map(),
    producerName: options.producerName ?? 'sanderling',
    producerVersion: options.producerVersion ?? '',
    domain: options.domain ?? '',
    modelVersion: options.modelVersion ?? 0,
    ...(options.doc ? { doc: options.doc } : {}),
  };
}

function domainsOf(graph: Graph): readonly string[] {
  return graph.nodes.flatMap((node) => [node.domain, ...subgraphsOf(node).flatMap(([, inner]) => domainsOf(inner))]);
}
