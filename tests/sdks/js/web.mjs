// OpenFeature in a page: all flags are fetched at once, and again when the context changes or something was changed.
import './browser.mjs';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { answer, details, recording } from './talk.mjs';

const requests = [];
const events = [];
const client = OpenFeature.getClient();

for (const type of Object.values(ProviderEvents)) {
  OpenFeature.addHandler(type, (event) => events.push({ type, flagsChanged: event?.flagsChanged ?? null }));
}

await answer({
  async start({ url, authorization, context, poll, listen }) {
    if (listen) globalThis.EventSource = (await import('eventsource')).EventSource;
    await OpenFeature.setContext(context);
    await OpenFeature.setProviderAndWait(
      new OFREPWebProvider({
        baseUrl: url,
        headers: [['Authorization', authorization]],
        pollInterval: poll ?? 0,
        fetchImplementation: recording(requests),
      }),
    );
  },
  change_context: ({ context }) => OpenFeature.setContext(context),
  evaluate: ({ key, fallback }) => details(client, key, fallback),
  status: () => client.providerStatus,
  events: () => events.splice(0),
  requests: () => requests.splice(0),
});
