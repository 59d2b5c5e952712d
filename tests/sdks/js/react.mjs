// OpenFeature in React: a component shows a flag and is drawn again when the flag changes.
import './browser.mjs';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, OpenFeatureProvider, useFlag } from '@openfeature/react-sdk';
import { act, createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { answer } from './talk.mjs';

const drawn = { plan: 0, banner: 0 };

function Plan() {
  drawn.plan += 1;
  const { value, reason } = useFlag('gold', false);
  return createElement('p', { id: 'plan' }, `${value ? 'gold' : 'plain'} ${reason}`);
}

function Banner() {
  drawn.banner += 1;
  return createElement('p', { id: 'banner' }, useFlag('greeting', 'nothing').value);
}

await answer({
  async start({ url, authorization, context, poll }) {
    await OpenFeature.setContext(context);
    const headers = [['Authorization', authorization]];
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: url, headers, pollInterval: poll ?? 0 }));
    await act(async () => {
      createRoot(document.getElementById('root')).render(
        createElement(OpenFeatureProvider, null, createElement(Plan), createElement(Banner)),
      );
    });
  },
  change_context: ({ context }) => act(() => OpenFeature.setContext(context)),
  async shown({ id }) {
    await act(async () => {});
    return document.getElementById(id)?.textContent;
  },
  drawn: () => ({ ...drawn }),
});
