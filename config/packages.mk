# SPDX-License-Identifier: Apache-2.0
# Debian packages, by what needs them.

# Building and running.
PACKAGES := gcc make libc6-dev pkg-config libuv1-dev libprotobuf-c-dev protobuf-c-compiler \
            protobuf-compiler libjemalloc-dev libmicrohttpd-dev libinih-dev libsystemd-dev \
            libncurses-dev libjansson-dev libgrpc-dev grpc-proto
# Tests and the demo. g++ compiles the public header as C++; systemd has systemd-socket-activate.
# curl reads the metrics. qemu-user has the CPUs that this one is not.
PACKAGES += g++ binutils libcmocka-dev libmpfr-dev libgmp-dev python3 python3-pytest python3-numpy \
            python3-protobuf python3-pip python3-setuptools python3-wheel \
            protobuf-compiler-grpc python3-grpcio openssl systemd procps man-db curl git \
            qemu-user

# `make bench`: comparators.
PACKAGES += liburcu-dev

# `make bench-deps`: comparators whose rows are left out without them. redis-tools has Redis's server
# (as redis-check-rdb: it is one program) without the service that redis-server would start.
# The rest is what matrix products and kernels are compared with.
BENCH_PACKAGES := redis-tools libopenblas0-pthread libblis4-pthread libxsmm-dev libdnnl-dev \
                  python3-torch python3-numexpr

# `make lint` and `make fuzz`; prometheus has promtool (and starts a server where systemd runs, so
# `make test` does without it).
LINT_PACKAGES := clang clang-format clang-tidy cppcheck libclang-rt-14-dev prometheus

# $(call install_packages,list): nothing if all are there, else apt-get, with sudo when not root.
define install_packages
@missing=$$(for package in $(1); do \
    dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || echo $$package; \
done); \
if [ -n "$$missing" ]; then \
    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
    echo "installing:" $$missing; \
    $$sudo apt-get update -qq && \
    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing \
        </dev/null >/dev/null; \
fi
endef

deps:  ## install the Debian packages that building and testing need, if any is missing
	$(call install_packages,$(PACKAGES))

bench-deps:  ## install what `make bench` compares with, beyond what building needs
	$(call install_packages,$(PACKAGES) $(BENCH_PACKAGES))

lint-deps:
	$(call install_packages,$(PACKAGES) $(LINT_PACKAGES))

.PHONY: bench-deps deps lint-deps
