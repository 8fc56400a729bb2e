# SPDX-License-Identifier: Apache-2.0
# Benchmarks: one program per suite, tests/bench/bench_<suite>.c; `make bench` runs them all.
# Rows are written to build/bench/<suite>.json. BENCH_ARGS are the suite's options, if it has any.

BENCH_ARCHIVES := engine graph cache exec native ops sched pool program isa base
BENCH_LIBS     := $(JEMALLOC_LIBS) -luv -lprotobuf-c -lm
BENCH_SUITES   := $(patsubst tests/bench/bench_%.c,%,$(wildcard tests/bench/bench_*.c))

BENCH_ARCHIVES_rpc := client proto
BENCH_SOURCES_rpc  := tests/bench/peers.c $(wildcard tests/bench/grpc_*.c tests/bench/rpc_*.c)
BENCH_LIBS_rpc     := -lgrpc -lgpr
BENCH_ARCHIVES_move := client proto
BENCH_SOURCES_move  := tests/bench/peers.c tests/bench/grpc_client.c $(wildcard tests/bench/move_*.c)
BENCH_LIBS_move     := -lgrpc -lgpr
$(O)/obj/tests/bench/rpc_native.o $(O)/obj/tests/bench/bench_move.o: CPPFLAGS += -Iclient/include
$(O)/obj/tests/bench/rpc_native.o $(O)/obj/tests/bench/grpc_subjects.o \
    $(O)/obj/tests/bench/move_grpc.o: $(PROTO_H)

BENCH_ARCHIVES_cache := client proto
BENCH_SOURCES_cache := tests/bench/peers.c $(wildcard tests/bench/cache_*.c)
$(O)/obj/tests/bench/cache_daemon.o: CPPFLAGS += -Iclient/include
# oneDNN's rows are left out where it is not installed (`make bench-deps`).
BENCH_LIBS_cache    := -lurcu-cds -lurcu-qsbr -lurcu-common $(if $(wildcard /usr/include/dnnl.h),-ldnnl)

# Comparators of matrix products that are linked; OpenBLAS and BLIS are opened at run time.
GEMM_HAS = $(if $(wildcard $(1)),1,0)
GEMM_LIBXSMM := $(call GEMM_HAS,/usr/include/libxsmm.h)
GEMM_ONEDNN  := $(call GEMM_HAS,/usr/include/oneapi/dnnl/dnnl.h)
BENCH_SOURCES_gemm := $(wildcard tests/bench/gemm_*.c)
BENCH_LIBS_gemm    := $(if $(filter 1,$(GEMM_LIBXSMM)),-lxsmm -lxsmmnoblas) \
                      $(if $(filter 1,$(GEMM_ONEDNN)),-ldnnl) -ldl
CFLAGS_tests/bench/gemm_peers  := -O3 -DGEMM_HAS_LIBXSMM=$(GEMM_LIBXSMM)
CFLAGS_tests/bench/gemm_onednn := -DGEMM_HAS_ONEDNN=$(GEMM_ONEDNN)

BENCH_ARCHIVES_graph := client proto
BENCH_SOURCES_graph := tests/bench/python_peer.c tests/bench/peers.c $(wildcard tests/bench/graph_*.c)
$(O)/obj/tests/bench/graph_daemon.o: CPPFLAGS += -Iclient/include

# The plain loops, as good as this compiler makes them for this machine.
BENCH_SOURCES_kernels := tests/bench/python_peer.c $(wildcard tests/bench/kernels_*.c)
BENCH_LIBS_kernels    := $(if $(wildcard /usr/include/dnnl.h),-ldnnl) -ldl
CFLAGS_tests/bench/kernels_loops := -O3 -march=native -ffast-math
CFLAGS_tests/bench/kernels_fused := -O3 $(if $(filter x86_64,$(shell uname -m)),-mavx512f -mavx512dq -mfma)

define bench_suite
$(call program,bench/bench_$(1),tests/bench/bench_$(1).c tests/bench/bench.c $(BENCH_SOURCES_$(1)),$(BENCH_ARCHIVES_$(1)) $(BENCH_ARCHIVES),$(BENCH_LIBS) $(BENCH_LIBS_$(1)))
bench-$(1): all $(O)/bench/bench_$(1)
	HOLOGRAM_BUILD=$(O) $(O)/bench/bench_$(1) $(BENCH_ARGS)
.PHONY: bench-$(1)
endef
$(foreach suite,$(BENCH_SUITES),$(eval $(call bench_suite,$(suite))))

bench: $(patsubst %,bench-%,$(BENCH_SUITES))  ## every benchmark suite, beside floors and peers
.PHONY: bench
