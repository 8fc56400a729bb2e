# SPDX-License-Identifier: Apache-2.0
# Generated code of the schema: C (protobuf-c) as archive `proto`, Python for the tests.

PROTO_SCHEMA := proto/hologram/v1/hologram.proto
PROTO_C      := $(O)/gen/proto/hologram/v1/hologram.pb-c.c
PROTO_H      := $(O)/gen/proto/hologram/v1/hologram.pb-c.h
PROTO_PYTHON := $(O)/gen/python/hologram/v1/hologram_pb2.py

$(PROTO_C) $(PROTO_H) &: $(PROTO_SCHEMA)
	@mkdir -p $(O)/gen
	protoc-c --c_out=$(O)/gen $<

$(PROTO_PYTHON): $(PROTO_SCHEMA)
	@mkdir -p $(O)/gen/python
	protoc -Iproto --python_out=$(O)/gen/python $(<:proto/%=%)

$(eval $(call library,proto,$(PROTO_C)))
# Whoever includes the generated header needs it before the dependency files know of it.
$(O)/obj/gen/proto/hologram/v1/hologram.pb-c.o: $(PROTO_H)

LIBRARIES += $(PROTO_PYTHON)
