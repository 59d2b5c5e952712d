// How an open page stays up to date. One event stream a tab says that something changed, and then the page asks what; a
// page that cannot have a stream, or is no longer told by the one that it has, asks each second. A tab that nobody looks
// at does neither.
"use strict";

(() => {
  const EACH_SECOND = 1000;
  const SELDOM = 5000; // what no stream tells: guards' readings, servers' state
  const OPENS_WITHIN = 5000;
  const DEAF_AFTER = 5000; // without being told of a revision that the page has by other means
  const BEHIND = 200; // a worker may be a little behind the stream: asked again after this, then twice, four times ...
  const MADE_ANEW_EVERY = 1000; // at most
  const FIRST_PAUSE = 2000;
  const LONGEST_PAUSE = 60000;

  let stream = null;
  let opening = false;
  let openedAt = 0;
  let told = 0; // the revision that the stream told last
  let madeAt = 0;
  let pause = FIRST_PAUSE;
  let asking, again, behind, late;

  const moved = () => document.getElementById("moved");
  const revision = () => Number(moved().dataset.revision);

  function ask() {
    htmx.trigger(document.body, "rollout-ask");
  }

  function askEach(span) {
    clearInterval(asking);
    asking = setInterval(ask, span);
  }

  function says(by) {
    const pulse = document.getElementById("pulse");
    pulse.dataset.by = by;
    pulse.title = by === "stream" ? "told of each change" : "asks each second";
  }

  function isLive(live, words) {
    const pulse = document.getElementById("pulse");
    pulse.classList.toggle("live", live);
    pulse.classList.toggle("lost", !live);
    const said = document.getElementById("pulse-words");
    if (said.textContent !== words) said.textContent = words;
  }

  async function streamAddress() {
    const answer = await fetch("/console/stream");
    const address = answer.status === 200 ? (await answer.json()).url : null;
    const reachable = address && !(location.protocol === "https:" && address.startsWith("http:"));
    return reachable ? address : null;
  }

  // An address has a ticket that lasts a minute, so each attempt asks for another one.
  async function open() {
    if (stream || opening || document.hidden) return;
    opening = true;
    const address = await streamAddress().catch(() => null);
    opening = false;
    if (document.hidden) return;
    if (!address) return later();
    listen(new EventSource(address));
  }

  function listen(source) {
    stream = source;
    late = setTimeout(lost, OPENS_WITHIN);
    source.onopen = () => {
      clearTimeout(late);
      openedAt = Date.now();
      told = revision();
      says("stream");
      askEach(SELDOM);
      ask(); // what changed before somebody listened
    };
    source.onmessage = (event) => {
      pause = FIRST_PAUSE;
      told = Number(event.lastEventId) || told;
      catchUp(BEHIND);
    };
    source.onerror = lost;
  }

  function catchUp(wait) {
    clearTimeout(behind);
    const early = madeAt + MADE_ANEW_EVERY - Date.now();
    if (early > 0) {
      behind = setTimeout(catchUp, early, wait);
      return;
    }
    ask();
    if (wait <= SELDOM) behind = setTimeout(() => { if (revision() < told) catchUp(2 * wait); }, wait);
  }

  function close() {
    for (const timer of [late, behind, again]) clearTimeout(timer);
    if (stream) stream.close();
    stream = null;
  }

  function lost() {
    if (openedAt && Date.now() - openedAt > LONGEST_PAUSE) pause = FIRST_PAUSE;
    openedAt = 0;
    close();
    begin(later);
  }

  function later() {
    clearTimeout(again);
    again = setTimeout(open, pause * (0.5 + Math.random()));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  function begin(then) {
    says("asking");
    askEach(EACH_SECOND);
    ask();
    then();
  }

  function rest() {
    clearInterval(asking);
    close();
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "live" || !moved()) return;
    madeAt = Date.now();
    const mine = stream;
    const deaf = () => mine && stream === mine && openedAt && revision() > told;
    if (deaf()) setTimeout(() => { if (deaf()) lost(); }, DEAF_AFTER);
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.pathInfo.requestPath.startsWith("/console/moved")) return;
    const status = event.detail.xhr.status;
    if (status >= 200 && status < 300) isLive(true, "live");
    else if (status === 401) isLive(false, "Not live: you are logged out");
    else isLive(false, "Not live: this server does not answer");
  });

  if (!moved()) return;
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : begin(open)));
  window.addEventListener("pagehide", rest);
  window.addEventListener("pageshow", (event) => { if (event.persisted) begin(open); });
  document.addEventListener("DOMContentLoaded", () => begin(open)); // after htmx
})();
