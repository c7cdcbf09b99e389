// Work side by side: the first failure aborts the siblings, waits for them, then throws.

/**
 * Runs the tasks over at most `limit` lanes and returns their results in order.
 * Each task gets a signal that aborts when the caller's does or when a sibling fails.
 */
export async function together<T>(
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): Promise<T[]> {
  const own = new AbortController();
  const signal = options.signal === undefined ? own.signal : AbortSignal.any([own.signal, options.signal]);
  const results: T[] = Array.from({ length: tasks.length });
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < tasks.length && !signal.aborted) {
      const index = next++;
      try {
        results[index] = await tasks[index]!(signal);
      } catch (error) {
        failures.push(error);
        own.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.limit ?? tasks.length, tasks.length) }, lane));
  if (failures.length > 0) throw failures[0];
  options.signal?.throwIfAborted();
  return results;
}
