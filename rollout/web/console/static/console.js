// What pages gain where scripts run: times in the reader's own zone, and dialogs over the page. Everything works without
// this file; live.js keeps a page up to date.
"use strict";

const near = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short" };
const inZone = new Intl.DateTimeFormat(undefined, near);
const inZoneWithYear = new Intl.DateTimeFormat(undefined, { ...near, weekday: undefined, year: "numeric" });
const HALF_A_YEAR = 182 * 86400e3;

function showTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.dateTime;
    time.textContent = (Math.abs(at - Date.now()) < HALF_A_YEAR ? inZone : inZoneWithYear).format(at);
  }
}

// A part of the page that is made anew is not the same elements: whoever was at a link is brought back to the link that
// says the same and leads to the same place.
function placeOf(element) {
  if (!element || !element.closest("#live")) return null;
  return { tag: element.tagName, href: element.getAttribute("href"), id: element.id, name: element.dataset.name, text: element.textContent };
}

function backTo(place) {
  if (!place) return;
  const same = (one) => one.getAttribute("href") === place.href && one.id === place.id && (one.dataset.name ? one.dataset.name === place.name : one.textContent === place.text);
  const found = [...document.querySelectorAll("#live " + place.tag.toLowerCase())].find(same);
  if (found) found.focus({ preventScroll: true });
}

let placeBefore = null;
let placeOfAsking = null;

function showDialog() {
  const dialog = document.getElementById("dialog");
  if (!dialog.open) {
    placeOfAsking = placeOf(document.activeElement);
    dialog.showModal();
  }
  const first = dialog.querySelector("input[name=share], select, textarea, [autofocus]");
  if (first) first.focus();
}

function prepare(within) {
  showTimes(within);
  for (const button of within.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

document.addEventListener("click", (event) => {
  const dialog = document.getElementById("dialog");
  const close = event.target.closest("[data-close]");
  if (close && dialog.open) {
    event.preventDefault();
    dialog.close();
  } else if (event.target === dialog) {
    dialog.close();
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const text = document.getElementById(copy.dataset.copy);
    text.select();
    navigator.clipboard.writeText(text.value).then(() => { copy.textContent = "Copied"; });
  }
});

document.addEventListener("keydown", (event) => {
  const search = document.getElementById("search");
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && search && !typing && !document.getElementById("dialog").open) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".filters[role=search] select")) event.target.form.requestSubmit();
  if (event.target.matches("#ask select")) event.target.form.querySelector("[data-shows]").click();
});

document.getElementById("dialog").addEventListener("close", () => backTo(placeOfAsking));

document.addEventListener("htmx:afterSwap", (event) => {
  const target = event.detail.target;
  if (target.id === "live" && document.activeElement === document.body) backTo(placeBefore);
  prepare(document.getElementById("main"));
  if (target.id === "dialog-body" || target.closest("#dialog") || document.querySelector("#dialog #ask")) {
    prepare(document.getElementById("dialog"));
    if (target.id === "dialog-body" || target.closest("#dialog")) showDialog();
  }
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "live") placeBefore = placeOf(document.activeElement);
  if (event.detail.target.id === "live" && event.detail.xhr.status >= 400) event.detail.shouldSwap = false;
});

prepare(document);
