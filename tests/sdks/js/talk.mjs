// A client under test as a process: commands come as lines of JSON, and each has one line of JSON for an answer.
import { createInterface } from 'node:readline';

console.log = console.info = console.debug = console.error; // standard output is for answers alone

export async function answer(commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...given } = JSON.parse(line);
    let reply;
    try {
      reply = { result: (await commands[command](given)) ?? null };
    } catch (error) {
      reply = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(reply) + '\n');
  }
  process.exit(0);
}

export function recording(requests) {
  return async (request, options) => {
    const response = await fetch(request, options);
    requests.push({
      status: response.status,
      query: Object.fromEntries(new URL(request.url).searchParams),
      known: request.headers.get('If-None-Match'),
      authorization: request.headers.get('Authorization'),
    });
    return response;
  };
}

export function details(client, key, fallback, ...context) {
  const kind = { boolean: 'Boolean', string: 'String', number: 'Number', object: 'Object' }[typeof fallback];
  return client[`get${kind}Details`](key, fallback, ...context);
}
