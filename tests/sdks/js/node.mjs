// OpenFeature in a program on Node: every question is a call.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { answer, details, recording } from './talk.mjs';

const requests = [];
const client = OpenFeature.getClient();
let context = {};

await answer({
  async start({ url, authorization, context: given }) {
    context = given;
    const headers = [['Authorization', authorization]];
    await OpenFeature.setProviderAndWait(
      new OFREPProvider({ baseUrl: url, headers, fetchImplementation: recording(requests) }),
    );
  },
  change_context({ context: given }) {
    context = given;
  },
  evaluate: ({ key, fallback }) => details(client, key, fallback, context),
  requests: () => requests.splice(0),
});
