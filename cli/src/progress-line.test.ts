// Progress on a terminal and elsewhere.
import { expect, test } from 'vitest';
import { ProgressLine } from './progress-line.ts';

function shownOn(terminal: { isTTY?: boolean; columns?: number }, total = 40): readonly string[] {
  const written: string[] = [];
  const line = new ProgressLine({ ...terminal, write: (text) => written.push(text) });
  for (let done = 0; done <= total; done++) line.show({ what: 'adwin on \u001B[31msea', done, total });
  line.end();
  return written;
}

test('writes one line over on a terminal, no wider than it, and clears it at the end', () => {
  const written = shownOn({ isTTY: true, columns: 45 });
  expect(written).toHaveLength(42);
  for (const text of written) {
    expect(text.startsWith('\r\u001B[K')).toBe(true);
    expect(text.length - 4).toBeLessThan(45);
    expect(text).not.toContain('\n');
    expect(text).not.toContain('\u001B[31m');
  }
  expect(written.at(-1)).toBe('\r\u001B[K');
});

test('writes a line now and then where there is no terminal, the first and the last among them', () => {
  const written = shownOn({});
  expect(written).toHaveLength(11);
  expect(written[0]).toBe('0/40 adwin on sea\n');
  expect(written.at(-1)).toBe('40/40 adwin on sea\n');
  expect(shownOn({}, 0)).toHaveLength(1);
});
