// The site of origin_site.py on Node's own http server. Its arguments: a port of the loopback interface or a path, and
// for how many seconds it keeps an idle connection.

import { createServer } from "node:http";

const COOKIES = ["session=def; Path=/; HttpOnly", "theme=dark; Path=/"];
const LARGE = Buffer.alloc(6 * 1024 * 1024, Buffer.from(Array.from({ length: 256 }, (_, number) => number)));
const PARTS = Array.from({ length: 5 }, (_, number) => `part ${number}, café\n`);

let openGate;
let gate;

function closeGate() {
  gate = new Promise((open) => (openGate = open));
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function joined(rawHeaders) {
  const headers = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase();
    headers[name] = name in headers ? `${headers[name]},${rawHeaders[index + 1]}` : rawHeaders[index + 1];
  }
  return headers;
}

async function passGate(request, response) {
  response.writeHead(200, { "content-type": "text/plain" });
  if (request.method === "POST") {
    openGate();
  } else {
    response.write("closed\n");
    await gate;
    closeGate();
    response.write("open\n");
  }
  response.end();
}

function send(response, status, headers, body) {
  response.writeHead(status, { ...headers, "content-length": body.length });
  response.end(body); // which leaves the body of an answer to HEAD out
}

async function answer(request, response) {
  const body = await bodyOf(request);
  const path = request.url.split("?")[0];
  if (path === "/gate") return passGate(request, response);
  if (path === "/echo") {
    const type = request.headers["content-type"];
    return send(response, 200, type === undefined ? {} : { "content-type": type }, body);
  }
  if (path === "/parts") {
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
    for (const part of PARTS) response.write(part);
    return response.end();
  }
  if (path === "/cookies") return send(response, 200, { "set-cookie": COOKIES }, Buffer.alloc(0));
  if (path === "/large") return send(response, 200, { "content-type": "application/octet-stream" }, LARGE);
  if (path.startsWith("/status/")) {
    response.writeHead(Number(path.slice("/status/".length)), { etag: '"1"' });
    return response.end();
  }
  if (path === "/missing") {
    return send(response, 404, { "content-type": "text/plain" }, Buffer.from("There is no such page."));
  }
  const report = {
    method: request.method,
    target: request.url,
    headers: joined(request.rawHeaders),
    body: body.toString("latin1"),
  };
  return send(response, 200, { "content-type": "application/json" }, Buffer.from(JSON.stringify(report)));
}

closeGate();
const server = createServer(answer);
const [address, keepAliveSeconds] = process.argv.slice(2);
if (keepAliveSeconds) server.keepAliveTimeout = 1000 * Number(keepAliveSeconds);
if (address.startsWith("/")) server.listen(address);
else server.listen(Number(address), "127.0.0.1");
