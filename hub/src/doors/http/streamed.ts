// Answers that are made while they are sent.

/** A streaming answer from pieces of text; the generator ends when the client goes away. */
export function streamed(pieces: AsyncGenerator<string>, headers: Readonly<Record<string, string>>): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
  return new Response(body, { headers });
}

/** CSV with times in ISO 8601 and values that read back exactly. */
export async function* csvText(
  blocks: AsyncIterable<readonly { readonly time: number; readonly value: number }[]>,
): AsyncGenerator<string> {
  yield 'time,value\n';
  for await (const block of blocks)
    yield block.map(({ time, value }) => `${new Date(time).toISOString()},${value}\n`).join('');
}

/** Headers of a CSV answer. */
export function csvHeaders(name: string): Readonly<Record<string, string>> {
  return { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': `attachment; filename="${name}.csv"` };
}
