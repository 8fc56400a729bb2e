# SPDX-License-Identifier: Apache-2.0
"""A gRPC client that has nothing of ours but the .proto files: stubs of grpcio's own plugin."""

import os
import pathlib

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLOGRAM_BUILD", ROOT / "build" / "release"))
# The stubs of health and reflection are packages below grpc, whose own directory is elsewhere.
grpc.__path__.append(str(BUILD / "gen" / "python" / "grpc"))

from grpc.health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc.reflection.v1 import reflection_pb2, reflection_pb2_grpc  # noqa: E402
from grpc.reflection.v1alpha import reflection_pb2 as alpha_pb2  # noqa: E402
from grpc.reflection.v1alpha import reflection_pb2_grpc as alpha_pb2_grpc  # noqa: E402
from hologram.v1 import hologram_pb2 as pb  # noqa: E402
from hologram.v1 import service_pb2, service_pb2_grpc  # noqa: E402

TIMEOUT_S = 60.0
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


def channel(path, options=OPTIONS):
    return grpc.insecure_channel(f"unix:{path}", options=options)


class Session:
    """A session of unary calls: methods of the service, each with the token in its metadata."""

    def __init__(self, link, name="grpcio"):
        self.stub = service_pb2_grpc.HologramStub(link)
        opened = self.stub.OpenSession(service_pb2.OpenSessionRequest(client_name=name),
                                       timeout=TIMEOUT_S)
        self.hello = opened.hello
        self.token = opened.token
        self.lease_ms = opened.lease_ms
        self.metadata = (("hologram-session", opened.token),)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.CloseSession(service_pb2.CloseSessionRequest())

    def __getattr__(self, name):
        method = getattr(self.stub, name)

        def call(request, timeout=TIMEOUT_S, metadata=(), **more):
            return method(request, timeout=timeout, metadata=self.metadata + tuple(metadata),
                          **more)

        def future(request, timeout=TIMEOUT_S, metadata=(), **more):
            return method.future(request, timeout=timeout,
                                 metadata=self.metadata + tuple(metadata), **more)

        call.future = future
        return call

    def alloc(self, id, shape, dtype=pb.F32, **more):
        shape = [shape] if isinstance(shape, int) else list(shape)
        return self.Alloc(pb.Alloc(id=id, dtype=dtype, shape=shape, **more)).buffer


def code_of(call, *arguments, **options):
    """Status code and text with which CALL fails; (OK, "") if it does not."""
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def trailers(error):
    return dict(error.trailing_metadata() or ())


__all__ = ["Session", "alpha_pb2", "alpha_pb2_grpc", "channel", "code_of", "grpc", "health_pb2",
           "health_pb2_grpc", "pb", "reflection_pb2", "reflection_pb2_grpc", "service_pb2",
           "service_pb2_grpc", "trailers"]
