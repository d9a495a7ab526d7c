"""Stores on this machine for the tests: HTTP, with faults, and S3."""

import socket
from collections import Counter
from contextlib import contextmanager
from threading import Thread
from urllib.parse import unquote

import fsspec
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response


class _Quiet(WSGIRequestHandler):
    def log(self, *_args):
        pass


class FolderServer:
    """A folder over HTTP, with ranges and ETags, by Werkzeug.

    Attributes:
        url: Where it is.
        faults: What becomes of the next requests for content: functions of
            request and response, None for nothing; as long as there are any.
        all_faults: The same for any request, those for headers too.
        fetched: How often bytes from 0 on of each name were asked for.
        queries: The queries that came.
        users: Who said to ask.
    """

    def __init__(self, root):
        self.root, self.faults, self.all_faults = root, [], []
        self.fetched, self.queries, self.users = Counter(), [], []
        self.server = make_server(
            '127.0.0.1', 0, self.answer, threaded=True, request_handler=_Quiet
        )
        self.url = f'http://127.0.0.1:{self.server.server_port}'

    def answer(self, environ, start_response):
        request = Request(environ)
        name = unquote(request.path).lstrip('/')
        self.queries.append(request.query_string.decode())
        told = request.authorization
        self.users.append(told and told.username)
        path = self.root / name
        if self.all_faults:
            response = self.all_faults.pop(0)(request, None)
        elif not path.is_file():
            response = Response('none', 404)
        else:
            response = send_file(path, environ, conditional=True)
            if request.method == 'GET':
                asked = request.headers.get('Range', 'bytes=0-')
                self.fetched[name] += asked.startswith('bytes=0-')
                fault = self.faults.pop(0) if self.faults else None
                if fault:
                    response = fault(request, response)
        return response(environ, start_response)


def drop(request, response):
    """Close the connection without a word."""
    request.environ['werkzeug.socket'].shutdown(socket.SHUT_RDWR)
    return response


def half(request, response):
    """Half of what was asked for, as if that were all."""
    response.direct_passthrough = False
    data = response.get_data()
    return Response(data[: len(data) // 2], 206)


def whole(request, response):
    """More than was asked for, as of a server that knows no ranges."""
    path = response.headers['Content-Range'].rpartition('/')[2]
    return Response(bytes(int(path)), 200)


def status(code):
    return lambda request, response: Response('no', code)


@contextmanager
def serve(root):
    """A :class:`FolderServer` of a folder."""
    server = FolderServer(root)
    thread = Thread(
        target=server.server.serve_forever, args=(0.02,), daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


@contextmanager
def bucket(root, monkeypatch, name='pictures'):
    """A folder's files in a bucket of moto's S3; the URL of their folder."""
    # Not above: it takes seconds, and HTTP alone does without.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in dict(
        ACCESS_KEY_ID='testing',
        SECRET_ACCESS_KEY='secret-of-the-test',
        DEFAULT_REGION='us-east-1',
        ENDPOINT_URL=f'http://{host}:{port}',
    ).items():
        monkeypatch.setenv(f'AWS_{key}', value)
    store = fsspec.filesystem('s3')
    store.mkdir(name)
    for path in sorted(root.rglob('*')):
        if path.is_file():
            place = f'{name}/of/all/{path.relative_to(root)}'
            store.pipe_file(place, path.read_bytes())
    try:
        yield f's3://{name}/of/all'
    finally:
        server.stop()
