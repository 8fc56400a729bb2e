# SPDX-License-Identifier: Apache-2.0
# Generated code: the schema's C (protobuf-c) as archive `proto`; what gRPC needs besides (messages of
# health and reflection from Debian's .proto files, and all descriptors for reflection to give out)
# as archive `grpc_proto`; Python for the tests.

PROTO_SCHEMA := proto/hologram/v1/hologram.proto
PROTO_C      := $(O)/gen/proto/hologram/v1/hologram.pb-c.c
PROTO_H      := $(O)/gen/proto/hologram/v1/hologram.pb-c.h
PROTO_PYTHON := $(O)/gen/python/hologram/v1/hologram_pb2.py

$(PROTO_C) $(PROTO_H) &: $(PROTO_SCHEMA)
	@mkdir -p $(O)/gen
	$(Q)protoc-c --c_out=$(O)/gen $<

$(PROTO_PYTHON): $(PROTO_SCHEMA)
	@mkdir -p $(O)/gen/python
	$(Q)protoc -Iproto --python_out=$(O)/gen/python $(<:proto/%=%)

$(eval $(call library,proto,$(PROTO_C)))
# Whoever includes the generated header needs it before the dependency files know of it.
$(O)/obj/gen/proto/hologram/v1/hologram.pb-c.o: $(PROTO_H)

LIBRARIES += $(PROTO_PYTHON)

# ---- gRPC: the services, as Debian's grpc-proto and our own schema describe them -----------------

GRPC_PROTO   := /usr/share/grpc-proto
GRPC_SERVICES := hologram/v1/service.proto grpc/health/v1/health.proto \
                 grpc/reflection/v1/reflection.proto grpc/reflection/v1alpha/reflection.proto
# v1alpha has the messages of v1, so one C code serves both.
GRPC_MESSAGES := grpc/health/v1/health grpc/reflection/v1/reflection
GRPC_PROTO_C  := $(GRPC_MESSAGES:%=$(O)/gen/%.pb-c.c) $(O)/gen/proto/descriptors.c
GRPC_PROTO_H  := $(GRPC_MESSAGES:%=$(O)/gen/%.pb-c.h)
DESCRIPTORS   := $(O)/gen/proto/descriptors.pb
SERVICE_FILES := $(PROTO_SCHEMA) proto/hologram/v1/service.proto

$(O)/gen/grpc/%.pb-c.c $(O)/gen/grpc/%.pb-c.h &: $(GRPC_PROTO)/grpc/%.proto
	@mkdir -p $(O)/gen
	$(Q)protoc-c -I$(GRPC_PROTO) --c_out=$(O)/gen $<

$(DESCRIPTORS): $(SERVICE_FILES)
	@mkdir -p $(@D)
	$(Q)protoc -Iproto -I$(GRPC_PROTO) --include_imports --descriptor_set_out=$@ $(GRPC_SERVICES)

# The bytes as C, in the order of the file.
$(O)/gen/proto/descriptors.c: $(DESCRIPTORS)
	{ echo '#include <stddef.h>'; \
	  echo 'extern const unsigned char hg_descriptors[]; extern const size_t hg_descriptors_size;'; \
	  echo 'const unsigned char hg_descriptors[] = {'; \
	  od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; \
	  echo '};'; \
	  echo 'const size_t hg_descriptors_size = sizeof(hg_descriptors);'; } > $@

$(eval $(call library,grpc_proto,$(GRPC_PROTO_C)))
# Not intermediate: whoever includes the headers is rebuilt with them.
.SECONDARY: $(GRPC_PROTO_C) $(GRPC_PROTO_H)
$(GRPC_PROTO_C:$(O)/gen/%.c=$(O)/obj/gen/%.o): $(GRPC_PROTO_H)

# Stubs for the tests' own clients, which have nothing but the .proto files.
GRPC_PYTHON := $(O)/gen/python/services.stamp
$(GRPC_PYTHON): $(SERVICE_FILES)
	@mkdir -p $(@D)
	$(Q)protoc -Iproto -I$(GRPC_PROTO) --python_out=$(@D) --grpc_python_out=$(@D) \
	    --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin $(GRPC_SERVICES)
	@touch $@

LIBRARIES += $(GRPC_PYTHON)
