// Lists in pages: newest first, the cursor is the last item's own key.

/** One page of a list. `next` is the cursor of the following page, absent on the last. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/** Which page to give. */
export interface PageQuery {
  /** @default 100 */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Items of a page when nothing is said. */
export const defaultPageItems = 100;

/** A page from `limit + 1` rows: the row too many only tells that another page follows. */
export function toPage<Row, T>(
  rows: readonly Row[],
  limit: number,
  of: { readonly item: (row: Row) => T; readonly cursor: (row: Row) => string },
): Page<T> {
  const shown = rows.slice(0, limit);
  const items = shown.map(of.item);
  const last = shown.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: of.cursor(last) } : { items };
}
