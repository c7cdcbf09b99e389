// Named, coded errors: what was wrong, where, and what to do about it.
import { errorCodes, type CodeRow, type ErrorCode } from './codes.ts';

/** What an error may tell beside its message. */
export interface ErrorOptions {
  /** Where it happened: a field path, a file and line, a node name. */
  readonly where?: string;
  /** What the reader can do about it, one sentence. */
  readonly fix?: string;
  /** Plain JSON facts for machines; never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The plain form of an error, as it crosses a wire. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly where?: string;
  readonly fix?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The error that every room throws for what a user or a machine can get wrong. */
export class SanderlingError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly fix: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SanderlingError';
    this.code = code;
    this.where = options.where;
    this.fix = options.fix;
    this.details = options.details;
  }

  /** How this error shows at each door. */
  get row(): CodeRow {
    return errorCodes[this.code];
  }

  /** The plain form that crosses a wire: no stack, no cause. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.where === undefined ? {} : { where: this.where }),
      ...(this.fix === undefined ? {} : { fix: this.fix }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }

  /** The error that a body from the wire stands for; an unknown code becomes INTERNAL. */
  static fromBody(body: ErrorBody): SanderlingError {
    const code = body.code in errorCodes ? body.code : 'INTERNAL';
    return new SanderlingError(code, body.message, body);
  }
}

/** Node's system error codes that mean something to a user. */
const systemCodes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  ENOENT: 'NOT_FOUND',
  EACCES: 'FORBIDDEN',
  EPERM: 'FORBIDDEN',
  ECONNREFUSED: 'UNAVAILABLE',
  ECONNRESET: 'UNAVAILABLE',
  EPIPE: 'UNAVAILABLE',
  ETIMEDOUT: 'TIMEOUT',
  EADDRINUSE: 'CONFLICT',
};

/** Any thrown value as a SanderlingError: passes ours through, names aborts and system errors, wraps the rest as INTERNAL. */
export function toSanderlingError(thrown: unknown): SanderlingError {
  if (thrown instanceof SanderlingError) return thrown;
  if (!(thrown instanceof Error)) return new SanderlingError('INTERNAL', String(thrown), { cause: thrown });
  if (thrown.name === 'AbortError') return new SanderlingError('CANCELLED', 'cancelled', { cause: thrown });
  if (thrown.name === 'TimeoutError') return new SanderlingError('TIMEOUT', thrown.message, { cause: thrown });
  if (isDiskFull(thrown))
    return new SanderlingError('DISK_FULL', thrown.message, { cause: thrown, fix: 'free some space and try again' });
  const code = systemCodes[systemCode(thrown) ?? ''] ?? 'INTERNAL';
  return new SanderlingError(code, thrown.message, { cause: thrown });
}

/** Whether an error says that storage is full: the file system's ENOSPC or EDQUOT, or SQLite's FULL (13). */
export function isDiskFull(error: unknown): boolean {
  const { code, errcode } = error as { code?: string; errcode?: number };
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'DISK_FULL' || errcode === 13;
}

function systemCode(error: Error): string | undefined {
  const own = (error as NodeJS.ErrnoException).code;
  if (own !== undefined) return own;
  return error.cause instanceof Error ? systemCode(error.cause) : undefined;
}
