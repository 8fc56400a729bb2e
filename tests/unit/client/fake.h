/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server at the other end of a socket pair that misbehaves as a test wants. It greets properly,
 * then gives every request to the test's handler, on a thread of its own, until the client closes
 * or the handler says so.
 */
#ifndef HG_TESTS_UNIT_CLIENT_FAKE_H
#define HG_TESTS_UNIT_CLIENT_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/include/hologram/hologram.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define FAKE_PAYLOAD_MAX 1048576
#define FAKE_FDS_MAX     16

struct fake;
/* Answers REQUEST, whose payload is in fake->payload. False: close the connection. */
typedef bool fake_handler(struct fake *fake, const Hologram__V1__Request *request);

struct fake {
    int fd;
    int client_fd;
    fake_handler *handler;
    fake_handler *greeting; /* NULL: a proper one */
    void *context;
    uint64_t payload_bytes;
    uint8_t payload[FAKE_PAYLOAD_MAX];
    pthread_t thread;
};

/* Starts the server; the client's end is in fake->client_fd. */
void fake_start(struct fake *fake, fake_handler *handler, void *context);
/* Starts it and connects CLIENT to it. */
void fake_connect(struct fake *fake, fake_handler *handler, void *context,
                  hologram_client **client);
/* Waits for its end; the client must have closed, or the handler given false. */
void fake_join(struct fake *fake);

/* What handlers send. */
bool fake_send_bytes(struct fake *fake, const void *bytes, size_t count);
/* A frame around MESSAGE, with PAYLOAD_BYTES announced and as many of PAYLOAD sent. */
bool fake_send_frame(struct fake *fake, const void *message, size_t bytes, const void *payload,
                     uint64_t payload_bytes);
bool fake_send(struct fake *fake, const Hologram__V1__Response *response, const void *payload,
               uint64_t payload_bytes);
/* The bytes of a frame around RESPONSE, at most SIZE; gives how many. */
size_t fake_pack(const Hologram__V1__Response *response, void *frame, size_t size);
/* Sends bytes with descriptors at the first of them. */
bool fake_send_fds(struct fake *fake, const void *bytes, size_t count, const int *fds,
                   size_t fd_count);
/* An empty answer to REQUEST: success without a body. */
bool fake_ok(struct fake *fake, const Hologram__V1__Request *request);
bool fake_fail(struct fake *fake, uint64_t id, hologram_status status, const char *text);
bool fake_greet(struct fake *fake, const Hologram__V1__Request *request);

/* The calling thread's allocation after SKIP successful ones fails, and all later ones. */
void fake_fail_allocations(uint64_t skip);
/* Ends that; true if one failed. */
bool fake_allocations_failed(void);

#endif
