// Which values a node needs, its bodies included, and the order in which nodes can run.
import { subgraphsOf } from './attributes.ts';
import type { Graph, Node } from './ir.ts';

/** The values that a node reads: its inputs and what its subgraphs capture. */
export function readsOf(node: Node): ReadonlySet<string> {
  const reads = new Set(node.inputs);
  for (const [, body] of subgraphsOf(node)) for (const name of capturedBy(body)) reads.add(name);
  reads.delete('');
  return reads;
}

/** The values of enclosing graphs that a graph reads. */
export function capturedBy(graph: Graph): ReadonlySet<string> {
  const own = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const reads = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) for (const name of readsOf(node)) reads.add(name);
  return new Set([...reads].filter((name) => !own.has(name)));
}

/** The node that makes each value. */
export function producersOf(nodes: readonly Node[]): ReadonlyMap<string, Node> {
  return new Map(
    nodes.flatMap((node) => node.outputs.filter((name) => name !== '').map((name) => [name, node] as const)),
  );
}

/** Nodes in an order in which each finds its inputs made, keeping the given order where it can; `stuck` are those on a cycle or behind one. */
export function topologicalOrder(nodes: readonly Node[]): {
  readonly sorted: readonly Node[];
  readonly stuck: readonly Node[];
} {
  const producers = producersOf(nodes);
  const waiting = new Map<Node, number>();
  const followers = new Map<Node, Node[]>();
  for (const node of nodes) {
    const needs = new Set([...readsOf(node)].map((name) => producers.get(name)).filter((from) => from !== undefined));
    waiting.set(node, needs.size);
    for (const from of needs) {
      const list = followers.get(from);
      if (list) list.push(node);
      else followers.set(from, [node]);
    }
  }
  const place = new Map(nodes.map((node, i) => [node, i]));
  const ready = new Ready(place);
  for (const node of nodes) if (waiting.get(node) === 0) ready.push(node);
  const sorted: Node[] = [];
  for (let node = ready.pop(); node; node = ready.pop()) {
    sorted.push(node);
    for (const next of followers.get(node) ?? []) {
      const left = waiting.get(next)! - 1;
      waiting.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  const done = new Set(sorted);
  return { sorted, stuck: nodes.filter((node) => !done.has(node)) };
}

/** A heap of nodes by their place in the file. */
class Ready {
  readonly #place: ReadonlyMap<Node, number>;
  readonly #heap: Node[] = [];

  constructor(place: ReadonlyMap<Node, number>) {
    this.#place = place;
  }

  push(node: Node): void {
    const heap = this.#heap;
    let at = heap.push(node) - 1;
    while (at > 0 && this.#before(heap[at]!, heap[(at - 1) >> 1]!)) {
      this.#swap(at, (at - 1) >> 1);
      at = (at - 1) >> 1;
    }
  }

  pop(): Node | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    heap[0] = last!;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && this.#before(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && this.#before(heap[right]!, heap[least]!)) least = right;
      if (least === at) return first;
      this.#swap(at, least);
      at = least;
    }
  }

  #before(a: Node, b: Node): boolean {
    return this.#place.get(a)! < this.#place.get(b)!;
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }
}
