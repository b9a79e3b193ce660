"""A real S3 server on this machine, with faults put before it; emulators of other stores."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Fault = Callable[["Request"], Iterable[bytes] | None]
"""Answers a request in the server's place, or delays it and returns None."""
BUCKET = "textures"
AZURITE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
"""The account that every Azurite has, and its key, which its documentation tells."""


class Request:
    """A request to the server, as faults see it."""

    def __init__(self, environ: dict[str, Any], start: Callable[..., Any], pass_on: Callable[..., Any]) -> None:
        self.method, self.path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.is_listing = self.method == "GET" and self.path.strip("/") == BUCKET
        self._environ, self._start, self._pass_on = environ, start, pass_on

    def fail(self, status="500 Internal Server Error", code="InternalError") -> Iterable[bytes]:
        self._environ["wsgi.input"].read(int(self._environ.get("CONTENT_LENGTH") or 0))
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        self._start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body if self.method != "HEAD" else b""]

    def cut(self) -> Iterable[bytes]:
        """Lose the connection before an answer."""
        self._environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    def cut_in_half(self) -> Iterable[bytes]:
        """Lose the connection in the middle of the answer."""
        body = b"".join(self._pass_on(self._environ, self._start))
        yield body[: len(body) // 2]
        self._environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)

    def short(self) -> Iterable[bytes]:
        """Answer with a part of the object as if it were all."""
        body = b"".join(self._pass_on(self._environ, lambda *_: None))[:10]
        self._start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def slow(self, seconds: float) -> Iterable[bytes]:
        """Send the first half, and the rest after a pause."""
        body = b"".join(self._pass_on(self._environ, self._start))
        yield body[: len(body) // 2]
        time.sleep(seconds)
        yield body[len(body) // 2 :]


class S3:
    """The server: its objects, what was asked of it, and its faults."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self.client: Any = None
        """Reaches the server as any program would."""
        self.faults: list[Fault] = []
        self.asked: Counter[tuple[str, str]] = Counter()
        """Requests by method and path."""
        self.puts: list[str] = []
        """Keys in the order in which they were put."""
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ, start, self._application)
        with self._lock:
            self.asked[request.method, "?" if request.is_listing else request.path] += 1
            faults = list(self.faults)
        for fault in faults:
            if (answer := fault(request)) is not None:
                return answer
        if request.method == "PUT":
            with self._lock:
                self.puts.append(request.path.removeprefix(f"/{BUCKET}/"))
        return self._application(environ, start)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Return every object below a prefix by its relative path."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        read = {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(f"{prefix}/"): data for key, data in read.items()}


@contextmanager
def s3_server() -> Iterator[S3]:
    """Start a server of its own thread whose answers to listings have three keys, and point all clients to it."""
    for package in ("moto", "flask_cors", "s3fs"):
        pytest.importorskip(package, reason=f"no {package}: pip install 'texup[cloud]' 'moto[s3]' flask flask-cors")
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_: object) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "MOTO_S3_DEFAULT_MAX_KEYS": "3",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            patch.setenv(name, value)
        s3 = S3(DomainDispatcherApplication(create_backend_app))
        server = make_server("127.0.0.1", 0, s3, threaded=True, request_handler=Silent)
        address = f"http://127.0.0.1:{server.server_port}"
        patch.setenv("AWS_ENDPOINT_URL", address)
        client = s3.client = boto3.client("s3", endpoint_url=address)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            client.create_bucket(Bucket=BUCKET)
            yield s3
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            client.close()


class Objects:
    """The objects of a store that fsspec reaches, as another program sees them."""

    def __init__(self, protocol: str) -> None:
        import fsspec

        self.protocol = protocol
        self._fs: Any = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False)

    def put(self, key: str, data: bytes) -> None:
        self._fs.pipe_file(f"{BUCKET}/{key}", data)

    def delete(self, key: str) -> None:
        self._fs.rm_file(f"{BUCKET}/{key}")

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Return every object below a prefix by its relative path."""
        facts = self._fs.find(f"{BUCKET}/{prefix}", detail=True)
        read = {name: self._fs.cat_file(name) if fact["size"] else b"" for name, fact in facts.items()}
        return {name.removeprefix(f"{BUCKET}/{prefix}/"): data for name, data in read.items()}


@contextmanager
def gcs_server() -> Iterator[Objects]:
    """Start an emulator of Google Cloud Storage in a thread, and point all clients to it."""
    for package in ("gcsfs", "gcp_storage_emulator"):
        pytest.importorskip(package, reason=f"no {package}: pip install gcsfs gcp-storage-emulator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # which asks by gRPC, in which no emulator answers
        patch.setenv("FSSPEC_GS_TOKEN", "anon")
        from gcp_storage_emulator.server import create_server

        server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
        server.start()
        try:
            patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
            yield Objects("gs")
        finally:
            server.stop()


@contextmanager
def azure_server() -> Iterator[Objects]:
    """Start Azurite, the emulator of Azure, as a process, and point all clients to it."""
    pytest.importorskip("adlfs", reason="no adlfs: pip install adlfs")
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("no azurite-blob on the path: npm install azurite")
    options = ("--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent")
    server = subprocess.Popen([program, *options, "--blobPort", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(line.rpartition("listens on ")[2].strip() for line in server.stdout if "listens on" in line)
        parts = ("DefaultEndpointsProtocol=http", f"AccountName={AZURITE[0]}", f"AccountKey={AZURITE[1]}")
        with pytest.MonkeyPatch.context() as patch:
            place = f"BlobEndpoint={address}/{AZURITE[0]}"
            patch.setenv("AZURE_STORAGE_CONNECTION_STRING", ";".join((*parts, place)))
            objects = Objects("az")
            objects._fs.mkdir(BUCKET)
            yield objects
    finally:
        server.terminate()
        server.communicate()
