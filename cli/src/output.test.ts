// What reaches a terminal: names from files and devices must not speak to it.
import { SanderlingError } from '@sanderling/kit';
import { expect, test, vi } from 'vitest';
import { reportError, table } from './output.ts';

test('control characters in names are shown, not obeyed', () => {
  const rows = [{ name: '\u001B[31mred\u0007\u009B2J' }];
  const text = table(rows, [{ title: 'NAME', of: ({ name }) => name }], 'none');
  expect(text).toContain(String.raw`\x1b[31mred\x07\x9b2J`);
  const said: string[] = [];
  const error = vi.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line));
  try {
    reportError(
      new SanderlingError('UNSUPPORTED', 'Det "\u001B[2J": no rule', { where: 'a\u001B]0;title\u0007' }),
      false,
    );
  } finally {
    error.mockRestore();
  }
  expect(said.join('\n')).toContain(String.raw`Det "\x1b[2J": no rule`);
  expect(said.join('\n')).toContain(String.raw`a\x1b]0;title\x07`);
});
