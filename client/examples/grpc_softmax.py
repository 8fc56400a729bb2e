#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Softmax over gRPC, with nothing but the .proto files and grpcio. From the top of the checkout:

    mkdir -p build/stubs
    protoc -Iproto --python_out=build/stubs --grpc_python_out=build/stubs \
        --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" proto/hologram/v1/*.proto
    PYTHONPATH=build/stubs python3 client/examples/grpc_softmax.py

The address is the daemon's socket, $HOLOGRAM_SOCKET; the session's buffers have ids of our choice.
"""

import os
import struct

import grpc
from hologram.v1 import hologram_pb2 as pb
from hologram.v1 import service_pb2 as service
from hologram.v1 import service_pb2_grpc as stubs

X, P = 1, 2
LOGITS = (1.0, 2.0, 3.0)

socket = os.environ.get("HOLOGRAM_SOCKET", "/run/hologram/hologram.sock")
with grpc.insecure_channel(f"unix:{socket}") as channel:
    daemon = stubs.HologramStub(channel)
    token = daemon.OpenSession(service.OpenSessionRequest(client_name="example")).token
    session = [("hologram-session", token)]
    for id in (X, P):
        daemon.Alloc(pb.Alloc(id=id, dtype=pb.F32, shape=[len(LOGITS)]), metadata=session)
    daemon.Write(pb.Write(id=X, data=struct.pack("<3f", *LOGITS)), metadata=session)
    done = daemon.Execute(pb.Execute(op="softmax", inputs=[X], outputs=[P]), metadata=session)
    answer = struct.unpack("<3f", daemon.Read(pb.Read(id=P), metadata=session).data)
    print([round(p, 6) for p in answer], "cache:", done.outcome)
    try:
        daemon.Execute(pb.Execute(op="softmax", inputs=[X, X], outputs=[P]), metadata=session)
    except grpc.RpcError as error:
        print(error.code().name, error.details())
    daemon.CloseSession(service.CloseSessionRequest(), metadata=session)
