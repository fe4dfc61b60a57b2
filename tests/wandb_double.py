"""A W&B server on loopback: the real client, sync, Api and report code talk to it.

It answers the requests of wandb 0.31 and keeps what it is sent. Where the real server's behaviour is not known it does
the worst that is allowed: a row that is sent twice is kept twice. docs/wandb.md lists what it cannot prove.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

MEGABYTE = 1_000_000
KEY = "0123456789abcdef0123456789abcdef01234567"
ENTITY = "team"
Fault = Literal["none", "down", "error", "slow"]


@dataclass
class StoredRun:
    """What the server knows of a run."""

    project: str
    name: str
    number: int
    upserts: dict[str, Any] = field(default_factory=dict)
    """The latest value of each field that the client set."""
    history: list[str] = field(default_factory=list)
    summary: str = "{}"
    exit_code: int | None = None

    @property
    def config(self) -> dict[str, Any]:
        plain = json.loads(self.upserts.get("config") or "{}")
        return {key: entry["value"] for key, entry in plain.items()}

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.history]

    def node(self) -> dict[str, Any]:
        """The run as the Api asks for it."""
        state = "running" if self.exit_code is None else "failed" if self.exit_code else "finished"
        last = max((row.get("_step", -1) for row in self.rows()), default=-1)
        return {
            "id": f"id-{self.name}",
            "name": self.name,
            "projectId": "1",
            "state": state,
            "displayName": self.upserts.get("displayName"),
            "tags": self.upserts.get("tags") or [],
            "group": self.upserts.get("groupName"),
            "jobType": self.upserts.get("jobType"),
            "config": self.upserts.get("config") or "{}",
            "summaryMetrics": self.summary,
            "historyLineCount": len(self.history),
            "historyKeys": {"lastStep": last, "keys": {}},
            "createdAt": "2026-01-01T00:00:00",
            "heartbeatAt": "2026-01-01T00:00:00",
            "sweepName": None,
            "commit": None,
            "readOnly": False,
            "description": "",
            "notes": None,
            "systemMetrics": "{}",
            "user": {"name": ENTITY, "username": ENTITY},
        }


class Refused(Exception):
    """What W&B answers with status 400: it is not asked again."""


def check_run(v: Mapping[str, Any]) -> None:
    """Raises Refused where W&B would not take a run's names or its config."""
    for tag in v.get("tags") or []:
        if not 1 <= len(tag) <= 64:
            raise Refused(f"tag {tag!r} is not between 1 and 64 characters")
    for name in ("groupName", "displayName", "name", "jobType"):
        if len(v.get(name) or "") > 128:
            raise Refused(f"{name} is longer than 128 characters")
    if not re.fullmatch(r"[^/\\#?%:]{1,128}", v.get("project") or "p"):
        raise Refused("invalid project name")
    config = json.loads(v.get("config") or "{}")
    if len(json.dumps(config)) > 10 * MEGABYTE:
        raise Refused("config is larger than 10 MB")
    check_tree({key: entry["value"] for key, entry in config.items() if key != "_wandb"})


def check_tree(tree: Any, depth: int = 1) -> None:
    """Raises Refused where a key or a value is too large, or too deep."""
    if isinstance(tree, Mapping):
        if depth > 8:
            raise Refused("config is nested too deeply")
        for key, value in tree.items():
            if not 1 <= len(key) <= 128:
                raise Refused(f"key {key[:40]!r} is not between 1 and 128 characters")
            check_tree(value, depth + 1)
    elif len(json.dumps(tree)) > MEGABYTE:
        raise Refused("a value is larger than 1 MB")


def check_artifact(name: str) -> None:
    """Raises Refused where W&B would not take an artifact's name."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", name):
        raise Refused(f"Artifact name may only contain alphanumeric characters, dashes, underscores, and dots: {name}")


class Double:
    """The server; `url` is its base URL. Start it with `serving()`."""

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.files: dict[str, bytes] = {}
        """Path -> content of every uploaded file, those of artifacts too."""
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, list[dict[str, Any]]] = {}
        self.projects: set[str] = set()
        self.operations: list[str] = []
        self.unknown: set[str] = set()
        self.refused: list[str] = []
        """Why something was not taken that W&B would not take."""
        self.traffic: list[bytes] = []
        """Every request's path, headers and body."""
        self.fault: Fault = "none"
        self.rows_until_down: int | None = None
        """After so many rows more, kept but not acknowledged, the server is down."""
        self.storage_refuses = False
        """Whether files are turned away, as by a bucket without room."""
        self.refusals: dict[str, str] = {}
        """Operation (or file_stream, which takes rows) -> the words with which it is refused."""
        self.revoked = False
        """Whether the key is not valid any more."""
        self.delay = 0.0
        """Seconds that each answer takes."""
        self.denied: set[str] = set()
        """Operations that this account may not use."""
        self.lock = threading.RLock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to talk to it."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def up(self) -> None:
        """Listen, at the same port as before."""
        self.fault, double = "none", self
        handler = type("Bound", (_Handler,), {"double": double})
        self._server = _Quiet(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse new connections and cut those there are."""
        self.fault = "down"
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def down_soon(self) -> None:
        """Be down at once, from a request's own thread."""
        self.fault = "down"
        threading.Thread(target=self.down, daemon=True).start()

    def answer(self, operation: str, variables: Mapping[str, Any]) -> Any:
        """The data of a GraphQL response."""
        with self.lock:
            self.operations.append(operation)
            if operation in self.refusals:
                raise Refused(self.refusals[operation])
            method = None if operation in self.denied else getattr(self, f"_on_{operation}", None)
            if method is None:
                self.unknown.add(operation)
                return None
            return method(variables)

    def stream(self, project: str, name: str, body: Mapping[str, Any]) -> bool:
        """Keep a piece of a run's file stream. Returns whether to acknowledge it."""
        with self.lock:
            if "file_stream" in self.refusals:
                raise Refused(self.refusals["file_stream"])
            run = self.runs[name]
            files = body.get("files") or {}
            rows = files.get("wandb-history.jsonl", {}).get("content", [])
            if self.rows_until_down is not None:
                self.rows_until_down -= len(rows)
            run.history.extend(rows)
            for line in files.get("wandb-summary.json", {}).get("content", []):
                check_tree(json.loads(line))
                run.summary = line
            if body.get("complete"):
                run.exit_code = int(body.get("exitcode") or 0)
            return self.rows_until_down is None or self.rows_until_down > 0

    # -- runs

    def _on_Viewer(self, _: Any) -> Any:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        who = {"id": "v", "entity": ENTITY, "username": ENTITY, "email": "e", "flags": "{}", "admin": False}
        return {"viewer": {**who, "teams": teams}}

    _on_GetDefaultEntity = _on_GetViewer = _on_Viewer

    def _on_ServerFeaturesQuery(self, _: Any) -> Any:
        return {"serverInfo": {"features": []}}

    def _on_RunResumeStatus(self, v: Mapping[str, Any]) -> Any:
        run = self.runs.get(v["name"])
        if run is None:
            return {"model": {**_project(v["project"]), "bucket": None}}
        bucket = {"id": f"id-{run.name}", "name": run.name, "summaryMetrics": run.summary, "notes": None}
        bucket |= {"displayName": run.upserts.get("displayName"), "tags": run.upserts.get("tags"), "logLineCount": 0}
        bucket |= {"historyLineCount": len(run.history), "eventsLineCount": 0, "eventsTail": "[]", "wandbConfig": "{}"}
        bucket |= {"historyTail": json.dumps(run.history[-1:]), "config": run.upserts.get("config")}
        return {"model": {**_project(v["project"]), "bucket": bucket}}

    def _on_UpsertBucket(self, v: Mapping[str, Any]) -> Any:
        check_run(v)
        inserted = v["name"] not in self.runs
        run = self.runs.setdefault(v["name"], StoredRun(v["project"], v["name"], len(self.runs)))
        self.projects.add(v["project"])
        run.upserts |= {key: value for key, value in v.items() if value is not None}
        bucket = {"id": f"id-{run.name}", "name": run.name, "displayName": run.upserts.get("displayName")}
        bucket |= {"description": None, "config": run.upserts.get("config"), "sweepName": None}
        project = _project(run.project, v.get("entity") or ENTITY)
        bucket |= {"historyLineCount": len(run.history), "project": project}
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _on_CreateRunFiles(self, v: Mapping[str, Any]) -> Any:
        urls = [{"name": name, "uploadUrl": self._upload(f"{v['run']}/{name}")} for name in v["files"]]
        return {"createRunFiles": {"runID": f"id-{v['run']}", "uploadHeaders": [], "files": urls}}

    def _on_Runs(self, v: Mapping[str, Any]) -> Any:
        if v["project"] not in self.projects:
            return {"project": None}
        wanted = json.loads(v.get("filters") or "{}")
        found = [run.node() for run in sorted(self.runs.values(), key=lambda run: run.number)]
        found = [node for node in found if all(node[key] == value for key, value in wanted.items())]
        begin = int(v.get("cursor") or 0)
        end = min(begin + v["perPage"], len(found))
        edges = [{"node": node, "cursor": str(begin + i + 1)} for i, node in enumerate(found[begin:end])]
        page = {"endCursor": str(end), "hasNextPage": end < len(found)}
        project = {"internalId": "1", "runCount": len(found), "readOnly": False}
        return {"project": {**project, "runs": {"edges": edges, "pageInfo": page}}}

    def _on_RunHistoryKeys(self, v: Mapping[str, Any]) -> Any:
        return {"project": {"run": {"historyKeys": self.runs[v["name"]].node()["historyKeys"]}}}

    def _on_RunParquetHistory(self, _: Any) -> Any:
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}

    def _on_HistoryPage(self, v: Mapping[str, Any]) -> Any:
        rows = self.runs[v["run"]].rows()
        page = [row for row in rows if v["minStep"] <= row["_step"] < v["maxStep"]]
        return {"project": {"run": {"history": [json.dumps(row) for row in page[: v["pageSize"]]]}}}

    # -- artifacts

    def _on_ArtifactType(self, _: Any) -> Any:
        return {"project": {"artifact": None}}

    def _on_CreateArtifact(self, v: Mapping[str, Any]) -> Any:
        given = v["input"]
        check_artifact(given["artifactCollectionName"])
        same = [k for k, a in self.artifacts.items() if _same(a, given) and a["state"] == "COMMITTED"]
        key = same[0] if same else f"artifact{len(self.artifacts)}"
        entry = self.artifacts.setdefault(key, {**given, "state": "PENDING"})
        self.artifacts[key]["clients"] = {*entry.get("clients", set()), given["clientID"]}
        sequence = {"latestArtifact": None}
        return {"createArtifact": {"artifact": {"id": key, "state": entry["state"], "artifactSequence": sequence}}}

    def _on_CreateArtifactManifest(self, v: Mapping[str, Any]) -> Any:
        return {"createArtifactManifest": self._manifest(v["artifactID"])}

    def _on_UpdateArtifactManifest(self, v: Mapping[str, Any]) -> Any:
        return {"updateArtifactManifest": self._manifest(v["artifactManifestID"].removeprefix("manifest-"))}

    def _on_CreateArtifactFiles(self, v: Mapping[str, Any]) -> Any:
        edges = []
        for spec in v["input"]["artifactFiles"]:
            path = f"{spec['artifactID']}/{spec['name']}"
            node = {"storagePath": path, "uploadUrl": self._upload(path), "uploadHeaders": []}
            edges.append({"node": {**node, "uploadMultipartUrls": None, "artifact": {"id": spec["artifactID"]}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _on_CommitArtifact(self, v: Mapping[str, Any]) -> Any:
        artifact = self.artifacts[v["artifactID"]]
        artifact["state"] = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": v["artifactID"], "digest": artifact["digest"]}}}

    def _on_ClientIDMapping(self, v: Mapping[str, Any]) -> Any:
        found = [key for key, artifact in self.artifacts.items() if v["clientID"] in artifact["clients"]]
        return {"clientIDMapping": {"serverID": found[0]} if found else None}

    def _manifest(self, artifact: str) -> Any:
        file = {"id": f"file-{artifact}", "uploadUrl": self._upload(f"{artifact}/manifest"), "uploadHeaders": []}
        return {"artifactManifest": {"id": f"manifest-{artifact}", "file": file}}

    def _upload(self, path: str) -> str:
        return f"{self.url}/upload/{base64.urlsafe_b64encode(path.encode()).decode()}"

    # -- reports

    def _on_ProjectInternalId(self, _: Any) -> Any:
        return {"project": {"id": "p", "internalId": "1"}}

    def _on_GetProjects(self, _: Any) -> Any:
        nodes = [{"node": _listed(name), "cursor": name} for name in sorted(self.projects)]
        return {"models": {"edges": nodes, "pageInfo": {"endCursor": None, "hasNextPage": False}}}

    def _on_CreateProject(self, v: Mapping[str, Any]) -> Any:
        self.projects.add(v["name"])
        return {"upsertModel": {"project": _listed(v["name"]), "model": _listed(v["name"]), "inserted": True}}

    def _on_ProjectViews(self, v: Mapping[str, Any]) -> Any:
        wanted = v.get("viewType") or "runs"
        edges = [{"node": _view(view), "cursor": view["id"]} for view in self.views.values() if view["type"] == wanted]
        views = {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}
        return {"project": {"allViews": views} if v["project"] in self.projects else None}

    def _on_View(self, v: Mapping[str, Any]) -> Any:
        found = [
            view for view in self.views.values() if view["type"] == v["viewType"] and view["name"] == v["viewName"]
        ]
        edges = [{"node": {key: view[key] for key in ("id", "displayName", "spec")}} for view in found]
        return {"project": {"allViews": {"edges": edges}} if v["name"] in self.projects else None}

    def _on_UpsertView2(self, v: Mapping[str, Any]) -> Any:
        return self._on_upsertView({"id": None, **v})

    def _on_upsertView(self, v: Mapping[str, Any]) -> Any:
        inserted = v["id"] is None
        key = v["id"] or hashlib.sha256(v["name"].encode()).hexdigest()[:12]
        self.views[key] = {**v, "id": key}
        return {"upsertView": {"view": _view(self.views[key]), "inserted": inserted}}

    def _on_ViewAccessTokens(self, v: Mapping[str, Any]) -> Any:
        return {"view": {"accessTokens": self.tokens.get(v["reportId"], [])}}

    def _on_createAccessToken(self, v: Mapping[str, Any]) -> Any:
        projects = [{"entityName": p["entityName"], "name": p["projectName"]} for p in v["projects"]]
        token = {"token": "share-me", "type": "PUBLIC", "revokedAt": None, "projects": projects}
        self.tokens.setdefault(v["viewId"], []).append(token)
        return {"createAccessToken": {"accessToken": token}}


def _same(artifact: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    keys = ("artifactCollectionName", "digest")
    return all(artifact[key] == given[key] for key in keys)


def _project(name: str, entity: str = ENTITY) -> dict[str, Any]:
    return {"id": "p", "name": name, "entity": {"id": "e", "name": entity}}


def _listed(name: str) -> dict[str, Any]:
    listed = {"id": "p", "name": name, "entityName": ENTITY, "createdAt": "2026-01-01T00:00:00", "isBenchmark": False}
    return {**listed, "internalId": "1", "user": None}


def _view(view: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: view[key] for key in ("id", "type", "name", "displayName", "description", "spec")}
    times = dict.fromkeys(("createdAt", "updatedAt"), "2026-01-01T00:00:00")
    return {**shown, **times, "project": {**_project(view["projectName"]), "entityName": ENTITY}, "user": None}


@contextlib.contextmanager
def serving() -> Iterator[Double]:
    """A server that is up, and gone at the end."""
    double = Double()
    double.up()
    try:
        yield double
    finally:
        double.down()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def _serve(self) -> None:
        double, body = self.double, self._body()
        if double.fault == "down":
            self.close_connection = True
            return None
        if double.fault == "slow":
            time.sleep(30)
        double.traffic.append(f"{self.path}\n{self.headers}\n".encode() + body)
        time.sleep(double.delay)
        if double.revoked and self.path != "/healthz":
            return self._reply({"errors": [{"message": "user is not logged in"}]}, status=401)
        if double.fault == "error":
            return self._reply({"error": "the test says so"}, status=500)
        if self.path == "/graphql":
            return self._graphql(json.loads(body))
        if self.path.startswith("/upload/"):
            if double.storage_refuses:
                return self._reply({"error": "the storage is full"}, status=403)
            double.files[base64.urlsafe_b64decode(self.path.split("/")[2]).decode()] = body
        match = re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path)
        try:
            taken = not match or double.stream(match[2], match[3], json.loads(body))
        except Refused as error:
            double.refused.append(str(error))
            return self._reply({"error": str(error)}, status=400)
        if not taken:
            double.down_soon()
            self.close_connection = True
            return None
        return self._reply({})

    do_GET = do_POST = do_PUT = _serve

    def _graphql(self, request: Mapping[str, Any]) -> None:
        operation = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])
        assert operation is not None
        try:
            data = self.double.answer(operation[1], request.get("variables") or {})
        except Refused as error:
            self.double.refused.append(str(error))
            return self._reply({"data": None, "errors": [{"message": str(error)}]}, status=400)
        if data is None:
            return self._reply({"data": None, "errors": [{"message": f"no such operation: {operation[1]}"}]})
        return self._reply({"data": data})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, content: Any, status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
