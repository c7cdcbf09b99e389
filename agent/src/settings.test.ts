import { describe, expect, test } from 'vitest';
import { readSettings } from './settings.ts';

const least = ['--hub', 'http://127.0.0.1:1', '--data', '/tmp/x'];

test('flags win over the environment; both are read', () => {
  const env = {
    SANDERLING_AGENT_HUB: 'http://a:1',
    SANDERLING_AGENT_DATA: '/e',
    SANDERLING_AGENT_TAGS: 'room=101,floor=1',
  };
  const settings = readSettings(['--data', '/f', '--source', 'stdin', '--max-outbox-mb=2'], env);
  expect(settings).toMatchObject({
    hub: 'http://a:1',
    data: '/f',
    source: { kind: 'stdin' },
    tags: { room: '101', floor: '1' },
    maxOutboxMb: 2,
    jsonStatus: false,
  });
  expect(readSettings(['--help'], {})).toBe('help');
});

test.each([
  ['csv:/a/b.csv', { kind: 'csv', path: '/a/b.csv' }],
  ['csv:/a,b.csv,time=when,value=°C', { kind: 'csv', path: '/a,b.csv', time: 'when', value: '°C' }],
  ['csv:x.csv,rate=50', { kind: 'csv', path: 'x.csv', rate: 50 }],
])('--source %s', (text, source) => {
  expect(readSettings([...least, '--source', text], {})).toMatchObject({ source });
});

describe('a wrong setting names its flag', () => {
  test.each([
    [['--data', '/x'], 'hub'],
    [[...least, '--source', 'mqtt:x'], 'source'],
    [[...least, '--source', 'csv:'], 'source'],
    [[...least, '--tag', 'Room 1'], 'tag'],
    [[...least, '--name', 'Upper Case'], 'name'],
    [[...least, '--max-bundle-mb', 'many'], 'max-bundle-mb'],
    [[...least, '--at-end', 'explode'], 'at-end'],
  ])('%j', (args, where) => {
    expect(() => readSettings(args, {})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', where }));
  });

  test('an unknown flag, and a token that is none', () => {
    expect(() => readSettings([...least, '--color'], {})).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    expect(() => readSettings([...least, '--token', 'abc'], {})).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
  });
});
