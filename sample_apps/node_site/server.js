// Word counts: a plain Node http server, without npm packages. Only the page /about is specific to Lambda.
"use strict";

const http = require("node:http");

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (char) => ENTITIES[char]);

const page = (body) => `<!doctype html>
<title>Word counts</title>
<form method="post" action="/"><textarea name="text" required></textarea><button>Count</button></form>
${body}`;

function count(text) {
  const counts = new Map();
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}<>&']+/gu) ?? []) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function send(response, status, type, body, headers = {}) {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), ...headers });
  response.end(body);
}

const HTML = "text/html; charset=utf-8";
const TEXT = "text/plain; charset=utf-8";

const routes = {
  "GET /": async (request, response) => send(response, 200, HTML, page("")),

  "POST /": async (request, response) => {
    const text = new URLSearchParams(await read(request)).get("text") ?? "";
    const rows = count(text).map(([word, times]) => `<tr><td>${escape(word)}<td>${times}`);
    send(response, 200, HTML, page(`<table>${rows.join("")}</table>`));
  },

  "POST /api/count": async (request, response) =>
    send(response, 200, "application/json", JSON.stringify(Object.fromEntries(count(await read(request))))),

  // bridge describes the invocation in these headers. No client can send them.
  "GET /about": async (request, response) => {
    const context = JSON.parse(request.headers["x-amzn-lambda-context"] ?? "null");
    const event = JSON.parse(request.headers["x-amzn-request-context"] ?? "null");
    const about = { function: context?.env_config?.function_name ?? null, request: event?.requestId ?? null };
    send(response, 200, "application/json", JSON.stringify(about));
  },
};

async function answer(request, response) {
  const route = routes[`${request.method} ${request.url.split("?", 1)[0]}`];
  if (route) await route(request, response);
  else send(response, 404, TEXT, "No such page\n");
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.headersSent ? response.destroy() : send(response, 500, TEXT, "Failed\n");
  });
});
// Longer than the 4 seconds that bridge keeps an idle connection.
server.keepAliveTimeout = 10_000;
server.listen(process.env.PORT, "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
