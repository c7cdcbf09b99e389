// The schema of the lab's config file as editors take it: JSON Schema, whose objects are open unless they say otherwise; ours are closed.
import type { Shape } from './check-shape.ts';

/** A shape as a JSON Schema document. */
export function editorSchema(shape: Shape): object {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...closed(shape) };
}

function closed(shape: object): object {
  const fields = Object.entries(shape).map(([key, value]): [string, unknown] => [
    key,
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? closed(value as object)
      : Array.isArray(value)
        ? value.map((item: unknown) => (typeof item === 'object' && item !== null ? closed(item) : item))
        : value,
  ]);
  const isClosed = 'type' in shape && shape.type === 'object' && !('additionalProperties' in shape);
  return Object.fromEntries(isClosed ? [...fields, ['additionalProperties', false]] : fields);
}
