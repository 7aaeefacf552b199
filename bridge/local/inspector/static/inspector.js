"use strict";

// Everything works without this script, except that pages do not change by themselves.

let source = null;

// Show the parts of the page that the server sends when they change.
function follow(url) {
  if (source) source.close();
  const state = document.getElementById("connection");
  const say = (text) => { state.textContent = text; state.dataset.state = text; };
  source = new EventSource(url);
  source.onopen = () => say("Live");
  source.onerror = () => say("Connecting");
  source.onmessage = (message) => {
    for (const [id, html] of Object.entries(JSON.parse(message.data))) show(document.getElementById(id), html);
  };
  source.addEventListener("end", () => { source.close(); say("Complete"); });
}

// Change what differs and nothing else, so that focus, selection and what is unfolded stay.
function show(target, html) {
  if (!target) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  const old = new Map([...target.children].filter((child) => child.id).map((child) => [child.id, child]));
  if (target.id !== "rows") return change(target, template.content);
  let before = target.firstElementChild;
  for (const row of [...template.content.children]) {
    const kept = old.get(row.id);
    if (kept) change(kept, row);
    if (kept && kept === before) before = before.nextElementSibling;
    else target.insertBefore(kept || row, before);
  }
  while (before) {
    const gone = before;
    before = before.nextElementSibling;
    gone.remove();
  }
}

function change(target, wanted) {
  const olds = [...target.childNodes];
  const news = [...wanted.childNodes];
  news.forEach((node, index) => {
    const old = olds[index];
    if (!old) target.append(node);
    else if (old.nodeType !== node.nodeType || old.nodeName !== node.nodeName || old.id !== node.id) old.replaceWith(node);
    else if (node.nodeType === Node.TEXT_NODE) { if (old.data !== node.data) old.data = node.data; }
    else { copyAttributes(old, node); change(old, node); }
  });
  olds.slice(news.length).forEach((old) => old.remove());
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
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const url = new URL(form.action);
    url.search = query;
    history.replaceState(null, "", url);
    follow(url.pathname.replace(/\/$/, "/feed") + url.search);
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
  form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
}

function moveBetweenRows(event) {
  const links = [...document.querySelectorAll("#rows a")];
  const at = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || (at < 0 && event.key.startsWith("Arrow")) || !links.length) return;
  event.preventDefault();
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const search = document.querySelector("#filter input");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
  else moveBetweenRows(event);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "Copied";
});

const form = document.getElementById("filter");
if (form) searchWhileTyping(form);
if (document.body.dataset.feed) follow(document.body.dataset.feed);
