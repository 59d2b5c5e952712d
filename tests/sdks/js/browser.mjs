// What a page has and Node does not. It is there before OpenFeature's packages for pages look for it.
import { JSDOM } from 'jsdom';

const page = new JSDOM('<div id="root"></div>', { url: 'http://localhost/' });

globalThis.window = page.window;
globalThis.document = page.window.document;
globalThis.localStorage = page.window.localStorage;
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
