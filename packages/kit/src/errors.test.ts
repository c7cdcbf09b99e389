import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errorCodes, isDiskFull, SanderlingError, toSanderlingError, type ErrorBody } from './index.ts';

test('an error crosses a wire without its stack and comes back the same', () => {
  const error = new SanderlingError('GATE_FAILED', 'too slow', {
    where: 'gates[1]',
    fix: 'raise maxMs',
    details: { ms: 7 },
  });
  const body = JSON.parse(JSON.stringify(error.toBody())) as ErrorBody;
  expect(body).toEqual({
    code: 'GATE_FAILED',
    message: 'too slow',
    where: 'gates[1]',
    fix: 'raise maxMs',
    details: { ms: 7 },
  });
  expect(SanderlingError.fromBody(body)).toMatchObject(body);
  expect(SanderlingError.fromBody({ ...body, code: 'FROM_THE_FUTURE' as 'INTERNAL' }).code).toBe('INTERNAL');
});

test('system errors get our codes', async () => {
  const missing = await readFile('/no/such/file').catch(toSanderlingError);
  expect(missing).toMatchObject({ code: 'NOT_FOUND' });
  expect(toSanderlingError(Object.assign(new Error('full'), { code: 'ENOSPC' })).code).toBe('DISK_FULL');
  expect(isDiskFull(Object.assign(new Error('database or disk is full'), { errcode: 13 }))).toBe(true);
  expect(toSanderlingError(new DOMException('x', 'AbortError')).code).toBe('CANCELLED');
  expect(toSanderlingError('odd').code).toBe('INTERNAL');
});

test('every code has a distinct meaning at each door', () => {
  for (const row of Object.values(errorCodes)) {
    expect(row.http).toBeGreaterThanOrEqual(400);
    expect(row.exit).toBeGreaterThan(0);
    expect(row.grpc).toBeGreaterThan(0);
  }
});
