"""Real frameworks under bridge, compared with the same applications under a real server.

Each `*_app.py` has `make_app(files, journal)`: one small application per framework, all with the same routes. `files`
is a directory of static files. `journal` is a list to which the application appends what no response tells: "startup"
and "shutdown" of its lifespan, and "part" for each part of /endless.

    GET  /items/{name}        {"name"}, from a view that is not a coroutine
    GET  /query               {"pairs"}: the query, in order
    POST /form                {"pairs"}: the form, in order
    POST /upload              {"title", "filename", "type", "size", "sha256"} of the form's `title` and `file`
    POST /echo                the request's body under its content-type
    GET  /seen                {"headers", "client", "scheme"}
    GET  /cookies             {"cookies"}; sets `theme` (with an Expires, which has a comma in it) and `visit`
    GET  /url                 {"url", "link"}: the request's own URL, and the absolute URL of /items/tea
    GET  /moved               302 to /items/tea
    GET  /slashed/            {"slashed": true}
    GET  /stream              text/plain in three parts
    GET  /gate                text/plain in two parts, the second once `scope["aws.context"]` lets it through
    GET  /endless             text/plain without end
    GET  /static/{file}       out of `files`
    GET  /boom                RuntimeError
"""
