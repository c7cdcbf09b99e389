// The one table of error codes: what each means to HTTP, gRPC, the CLI's exit status and MLflow clients.

/** How one error code shows at each door. `http`: status; `grpc`: canonical code number; `exit`: CLI exit status; `mlflow`: MLflow `error_code`. */
export interface CodeRow {
  readonly http: number;
  readonly grpc: number;
  readonly exit: number;
  readonly mlflow: string;
}

const row = (http: number, grpc: number, exit: number, mlflow: string): CodeRow => ({ http, grpc, exit, mlflow });

/** Every code that a Sanderling error may carry. Codes are stable: clients may branch on them. */
export const errorCodes = {
  INVALID_ARGUMENT: row(400, 3, 2, 'INVALID_PARAMETER_VALUE'),
  INVALID_CONFIG: row(400, 3, 2, 'INVALID_PARAMETER_VALUE'),
  INVALID_DATA: row(422, 3, 3, 'INVALID_PARAMETER_VALUE'),
  TOO_LITTLE_DATA: row(422, 9, 3, 'INVALID_PARAMETER_VALUE'),
  INVALID_MODEL: row(422, 3, 3, 'INVALID_PARAMETER_VALUE'),
  UNSUPPORTED: row(422, 12, 3, 'NOT_IMPLEMENTED'),
  UNAUTHENTICATED: row(401, 16, 4, 'UNAUTHENTICATED'),
  TOKEN_EXPIRED: row(401, 16, 4, 'UNAUTHENTICATED'),
  TOKEN_USED: row(401, 16, 4, 'UNAUTHENTICATED'),
  FORBIDDEN: row(403, 7, 4, 'PERMISSION_DENIED'),
  NOT_FOUND: row(404, 5, 5, 'RESOURCE_DOES_NOT_EXIST'),
  ALREADY_EXISTS: row(409, 6, 6, 'RESOURCE_ALREADY_EXISTS'),
  CONFLICT: row(409, 10, 6, 'INVALID_STATE'),
  TOO_LARGE: row(413, 8, 3, 'REQUEST_LIMIT_EXCEEDED'),
  LIMIT_REACHED: row(429, 8, 7, 'REQUEST_LIMIT_EXCEEDED'),
  GATE_FAILED: row(409, 9, 8, 'INVALID_STATE'),
  BAD_SIGNATURE: row(422, 15, 9, 'DATA_LOSS'),
  CORRUPT: row(422, 15, 9, 'DATA_LOSS'),
  SELF_TEST_FAILED: row(422, 9, 9, 'INVALID_STATE'),
  NAN_LOSS: row(422, 9, 3, 'INVALID_STATE'),
  DISK_FULL: row(507, 8, 10, 'TEMPORARILY_UNAVAILABLE'),
  UNAVAILABLE: row(503, 14, 11, 'TEMPORARILY_UNAVAILABLE'),
  TIMEOUT: row(504, 4, 11, 'TEMPORARILY_UNAVAILABLE'),
  CANCELLED: row(499, 1, 130, 'CANCELLED'),
  INTERNAL: row(500, 13, 1, 'INTERNAL_ERROR'),
} as const satisfies Record<string, CodeRow>;

/** A stable error code; see {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;
