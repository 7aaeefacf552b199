// The application of apps.py under Node's own server, with its default keep-alive time.
const fs = require("fs");
const log = fs.openSync(process.env.FREEZES_LOG, "a");

require("http")
  .createServer((request, response) => {
    fs.writeSync(log, request.url.slice(1) + "\n");
    request.resume().on("end", () => response.end(String(process.pid)));
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
