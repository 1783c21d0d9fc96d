"""A model hub on 127.0.0.1: what huggingface_hub asks of one to upload a folder over Git LFS, or
to download it."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

TOKEN = "hf_fixedTokenOfTheTests"
COMMIT = "1" * 40


class Hub:
    """Repositories as {name: {path: bytes}}. Large files come as objects before the commit."""

    def __init__(self):
        self.repositories, self.objects, self.address = {}, {}, None
        self.routes = {
            r"PUT /objects/(\w+)": self.store,
            r"POST /api/repos/create": self.create,
            r"POST /api/validate-yaml": lambda _: {"errors": [], "warnings": []},
            r"GET /api/models/(.+)/tree/(main|1{40})": self.tree,
            r"POST /api/models/(.+)/preupload/main": self.preupload,
            r"POST /(.+)\.git/info/lfs/objects/batch": self.batch,
            r"POST /api/models/(.+)/commit/main": self.commit,
            r"GET /api/models/(.+)/revision/(main|1{40})": self.about,
            r"GET /api/models/([^/]+/[^/]+)()": self.about,
            r"(?:GET|HEAD) /(.+)/resolve/(main|1{40})/(.+)": self.file,
        }

    def answer(self, request, data):
        """What is sent back as JSON, of "GET /path". None where there is nothing."""
        for pattern, handle in self.routes.items():
            if found := re.fullmatch(pattern, request):
                return handle(*found.groups(), data)
        return None

    def store(self, oid, data):
        assert hashlib.sha256(data).hexdigest() == oid
        self.objects[oid] = data
        return {}

    def create(self, data):
        body = json.loads(data)
        name = f"{body['organization']}/{body['name']}"
        self.repositories.setdefault(name, {})
        return {"url": f"{self.address}/{name}"}

    def tree(self, name, _, __):
        return [
            {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
            for path, content in self.repositories[name].items()
        ]

    def preupload(self, _, data):
        paths = [file["path"] for file in json.loads(data)["files"]]
        modes = ("lfs" if path.endswith(".onnx") else "regular" for path in paths)
        files = zip(paths, modes, strict=True)
        return {
            "files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in files]
        }

    def batch(self, _, data):
        return {
            "objects": [
                entry | {"actions": {"upload": {"href": f"{self.address}/objects/{entry['oid']}"}}}
                for entry in json.loads(data)["objects"]
            ]
        }

    def commit(self, name, data):
        files = self.repositories[name]
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        return {"commitUrl": f"{self.address}/{name}/commit/1", "commitOid": COMMIT}

    def about(self, name, _, __):
        return {"id": name, "sha": COMMIT} if name in self.repositories else None

    def file(self, name, _, path, __):
        return self.repositories.get(name, {}).get(path)

    def missing(self, path):
        """What a hub says of an address that it has nothing for."""
        name = "/".join(path.removeprefix("/api/models").removeprefix("/").split("/")[:2])
        if name not in self.repositories:
            return "RepoNotFound"
        known = re.search(r"/resolve/(main|1{40})/", path)
        return "EntryNotFound" if known else "RevisionNotFound"


def handler(hub):
    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self):
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = urllib.parse.unquote(self.path.split("?")[0])
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            allowed |= self.path.startswith("/objects/")  # an address that is signed itself
            answer = hub.answer(f"{self.command} {path}", data)
            status = 401 if not allowed else 404 if answer is None else 200
            body = answer if status == 200 else {"error": "refused"}
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if answer is None:
                self.send_header("X-Error-Code", hub.missing(path))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = respond

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serving():
    """A Hub that listens, with its `address`."""
    hub = Hub()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(hub)) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            server.shutdown()
