// Between the capabilities' plain types and the door's: optional fields that are absent, and lists as they are answered.
import type { Page } from '../../store/index.ts';

/** T without fields that are undefined: an absent field, not one that says nothing. */
export type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** A request's fields without those that were left out. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

/** A capability's page as the door answers it. */
export function listed<T>({ items, next }: Page<T>): { items: T[]; next?: string } {
  return next === undefined ? { items: [...items] } : { items: [...items], next };
}
