import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createSearch, float, genetic, restoreSearch, runSearch, space, type SearchState } from './index.ts';

const line = space({ x: float(-1, 1) });
const begin = () => createSearch(genetic({ population: 5 }), line, { trials: 20, seed: 1 });

describe('running a search', () => {
  test('runs as many trials at once as asked, and finds the same as one at a time', async () => {
    let most = 0;
    let now = 0;
    const parallel = await runSearch(
      begin(),
      async ({ id, params }) => {
        most = Math.max(most, ++now);
        await sleep((id * 7) % 5);
        now--;
        return params.x ** 2;
      },
      { concurrency: 4 },
    );
    expect(most).toBe(4);
    expect(parallel.trials()).toEqual((await runSearch(begin(), ({ params }) => params.x ** 2)).trials());
    expect(parallel.trials()).toHaveLength(20);
  });

  test('stopped and started again from the stored state, it ends as if it had never been stopped', async () => {
    const stop = new AbortController();
    let stored: SearchState | undefined;
    const search = begin();
    const stopped = runSearch(search, ({ params }) => ({ value: params.x ** 2 }), {
      concurrency: 2,
      signal: stop.signal,
      onTrial: ({ id }) => {
        stored = search.state();
        if (id === 7) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    const restored = await runSearch(
      restoreSearch(JSON.parse(JSON.stringify(stored)), line),
      ({ params }) => params.x ** 2,
    );
    expect(restored.trials()).toEqual((await runSearch(begin(), ({ params }) => params.x ** 2)).trials());
  });

  test('an objective that throws stops the others, which are waited for', async () => {
    const ended: string[] = [];
    const work = runSearch(
      begin(),
      async ({ id }, signal) => {
        if (id === 1) throw new TypeError('a mistake');
        await sleep(10_000, undefined, { signal }).catch(() => ended.push(`${id} saw the signal`));
        return 0;
      },
      { concurrency: 3 },
    );
    await expect(work).rejects.toThrow('a mistake');
    expect(ended.toSorted()).toEqual(['0 saw the signal', '2 saw the signal']);
  });

  test('a value that is none stops the search with its code', async () => {
    await expect(runSearch(begin(), () => Number.NaN)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(runSearch(begin(), () => 1, { concurrency: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
