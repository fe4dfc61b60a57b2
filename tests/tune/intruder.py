"""Run as a program: another user of this machine, who asks Ray's parts for something, first without the run's token.

Prints a JSON object: part -> answers to no token, a wrong token and the right one. argv: JSON of the parts' calls.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

NOBODY = 65534


def grpc_call(port: int, method: str, token: str | None) -> str:
    import grpc

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
    try:
        call(b"", timeout=20, metadata=[("authorization", f"Bearer {token}")] if token else None)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "answered"


def http_call(url: str, token: str | None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        urllib.request.urlopen(urllib.request.Request(url, data=b"", headers=headers), timeout=20)
    except urllib.error.HTTPError as error:
        return str(error.code)
    return "answered"


def ask(where: int | str, method: str, token: str | None) -> str:
    return http_call(where, token) if isinstance(where, str) else grpc_call(where, method, token)


if __name__ == "__main__":
    calls: dict[str, tuple[Any, str]] = json.loads(sys.argv[1])
    for call in calls.values():
        ask(*call, None)  # imports what it needs while this user may still read it
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    right = sys.stdin.read()
    answers = {part: [ask(*call, token) for token in (None, "0" * 64, right)] for part, call in calls.items()}
    files = {path: os.access(path, os.R_OK) for path in sys.argv[2:]}
    print(json.dumps({"answers": answers, "readable": files}))
