"use strict";

// Everything works without this script, except that pages do not change by themselves.

// The changes of this page.

const feed = { url: document.body.dataset.feed, source: null, isPaused: false, hasBegun: false };

function say(state, text) {
  const shown = document.getElementById("connection");
  shown.dataset.state = state;
  if (shown.textContent !== text) shown.textContent = text;
}

function follow() {
  stop();
  if (!feed.url || feed.isPaused) return;
  const source = feed.source = new EventSource(feed.url);
  source.onopen = () => { feed.hasBegun = true; say("Live", "Live"); };
  source.onerror = () => {
    // The browser tries again by itself, unless it got another answer than a feed.
    if (source.readyState === EventSource.CLOSED) {
      say("Gone", "Not live: the gateway does not have this any more");
      feed.url = null;
    } else if (feed.hasBegun) say("Reconnecting", "Not live: the gateway does not answer, trying again");
  };
  source.onmessage = (message) => {
    keepInPlace(() => {
      for (const [id, html] of Object.entries(JSON.parse(message.data))) show(document.getElementById(id), html);
    });
  };
  source.addEventListener("end", () => { stop(); feed.url = null; pause.hidden = true; say("Complete", "Complete"); });
}

function stop() {
  if (feed.source) feed.source.close();
  feed.source = null;
}

function togglePause() {
  feed.isPaused = !feed.isPaused;
  pause.textContent = feed.isPaused ? "Continue" : "Pause";
  follow();
  if (feed.isPaused) say("Paused", "Paused");
}

// What a reader points at, or has the focus in, stays where it is on the screen while rows come above it.
function keepInPlace(change) {
  const row = document.querySelector("#rows > tr:hover") || document.querySelector("#rows > tr:focus-within");
  const before = row && row.getBoundingClientRect().top;
  change();
  if (row && row.isConnected) window.scrollBy({ top: row.getBoundingClientRect().top - before, behavior: "instant" });
}

// Change what differs and nothing else, so that focus, selection and what is unfolded stay.

function show(target, html) {
  if (!target) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  change(target, template.content);
}

function change(target, wanted) {
  const kept = new Map([...target.children].filter((child) => child.id).map((child) => [child.id, child]));
  let before = target.firstChild;
  for (const node of [...wanted.childNodes]) {
    const old = node.id ? kept.get(node.id) : isAlike(before, node) ? before : null;
    if (old) update(old, node);
    if (old && old === before) before = before.nextSibling;
    else target.insertBefore(old || node, before);
  }
  while (before) {
    const gone = before;
    before = before.nextSibling;
    // A row that has the focus is not taken from under the reader's hands, though it is past the last one.
    if (!(gone.nodeType === Node.ELEMENT_NODE && gone.matches("tr:focus-within"))) gone.remove();
  }
}

function isAlike(old, node) {
  return old && !old.id && old.nodeType === node.nodeType && old.nodeName === node.nodeName;
}

function update(old, node) {
  if (node.nodeType === Node.TEXT_NODE) updateText(old, node.data);
  else { copyAttributes(old, node); change(old, node); }
}

function updateText(old, text) {
  // A log grows at its end: what is selected in it stays selected.
  if (text.startsWith(old.data)) { if (text.length > old.length) old.appendData(text.slice(old.length)); }
  else old.data = text;
}

function copyAttributes(target, wanted) {
  for (const { name, value } of wanted.attributes) if (target.getAttribute(name) !== value) target.setAttribute(name, value);
  for (const { name } of [...target.attributes]) {
    if (!wanted.hasAttribute(name) && !(name === "open" && target.nodeName === "DETAILS")) target.removeAttribute(name);
  }
}

// Search while the reader types.

function searchWhileTyping(form) {
  let timer = 0;
  const search = () => {
    clearTimeout(timer);
    const url = new URL(form.action);
    url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    history.replaceState(null, "", url);
    feed.url = url.pathname.replace(/\/$/, "/feed") + url.search;
    if (feed.isPaused) togglePause();
    else follow();
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
}

// Keys: "/" searches, "j" and "k" and the arrows go through the list.

function moveBetweenRows(event) {
  const links = [...document.querySelectorAll("#rows a")];
  const at = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || (at < 0 && event.key.startsWith("Arrow")) || !links.length) return;
  event.preventDefault();
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const search = document.querySelector("#filter input");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
  else moveBetweenRows(event);
}

async function copy(button) {
  try {
    // The file itself: the page shows a part of a long one, and symbols for what one cannot see.
    const answer = await fetch(button.dataset.copy);
    if (!answer.ok) throw new Error(answer.statusText);
    await navigator.clipboard.writeText(await answer.text());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied: the browser does not allow it, or the gateway has ended";
  }
}

const pause = document.getElementById("pause");
if (feed.url) {
  say("Connecting", "Connecting");
  pause.hidden = false;
  pause.addEventListener("click", togglePause);
  follow();
  // A browser has six connections for all tabs of the gateway. A page in a hidden tab needs none.
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else follow(); });
}
const form = document.getElementById("filter");
if (form && feed.url) searchWhileTyping(form);
document.addEventListener("keydown", onKey);
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
