/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of libhologram share.
 *
 *     hologram_x()  ──►  ticket.c: a slot   ──►  codec_request.c: bytes  ──►  wire_out.c: socket
 *     results       ◄──  ticket.c: finish   ◄──  codec_response.c: reply ◄──  wire.c: frames
 *
 * Threads: everything belongs to one client, which one thread uses at a time.
 * Memory: malloc; a client is inside other people's programs and brings no allocator.
 */
#ifndef HG_CLIENT_LIB_INTERNAL_H
#define HG_CLIENT_LIB_INTERNAL_H

#include <sys/socket.h>

#include "client/include/hologram/hologram.h"

#include "client/lib/arena.h"

#define HG_CLIENT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The native frame; proto/README.md describes it. */
#define HG_CLIENT_HEADER_BYTES      24u
#define HG_CLIENT_MESSAGE_BYTES_MAX (1u << 20)
#define HG_CLIENT_PROTOCOL_VERSION  1u

#define HG_CLIENT_IN_BYTES       65536u /* initial size of the receive buffer */
#define HG_CLIENT_OUT_BYTES      65536u /* queued requests leave when they are this many bytes */
#define HG_CLIENT_OUT_REQUESTS   32u    /* or this many: the server works while more are written */
#define HG_CLIENT_COPY_BYTES_MAX 16384u /* smaller payloads are queued with their message */
#define HG_CLIENT_CHUNK_BYTES    (8u << 20)  /* blocking transfers go in pieces of this size */
#define HG_CLIENT_SLOTS_MAX      65536u      /* tickets that were not waited for */
#define HG_CLIENT_GRACE_NS       2000000000u /* the server may be this late with its own timeout */

/* Between two reads at most one descriptor is left of an answer that is not complete, and one more
 * can come. */
#define HG_CLIENT_FDS_MAX 2u

struct hg_client_reply;

/* Brings a reply to where the caller wants it. RESULT may be NULL, also when the reply's status is
 * an error it is called. Gives the request's final status. */
typedef hologram_status hg_client_take_fn(hologram_client *client,
                                          const struct hg_client_reply *reply, void *result,
                                          hologram_error *error);

enum hg_client_slot_state { HG_CLIENT_FREE, HG_CLIENT_FLYING, HG_CLIENT_DONE };

/* A request in flight, or an answer that was not waited for. */
struct hg_client_slot {
    uint8_t state;
    bool detached;  /* no ticket was asked for: an error goes to client->detached_error */
    bool forgotten; /* nobody wants the answer any more */
    bool reads;     /* the answer has a payload */
    hologram_status status;
    uint32_t generation;
    uint32_t next_free;
    uint64_t deadline_ns;  /* when to give up on the server; 0 = never */
    hologram_error *error; /* text of a failure, or NULL if there was no memory for it */
    uint8_t *destination;  /* of a read's payload, borrowed from the caller */
    uint64_t destination_bytes;
    hg_client_take_fn *take;
    void *result;
};

/* A type that could not be put into a buffer's id, because it was opened by name. */
struct hg_client_opened {
    hologram_buffer buffer;
    hologram_dtype dtype;
};

struct hologram_client {
    int fd;
    uint32_t spin_us;
    uint32_t stream;
    uint64_t timeout_us;
    uint64_t next_id; /* of buffers and programs */
    uint64_t epoch;   /* of handles of prepared operations; see prepared.c */

    hologram_error error;   /* of the last call that failed */
    hologram_error failure; /* of the connection; status OK while it works */
    hologram_error detached_error;

    uint8_t *out;
    size_t out_size;
    size_t out_start;
    size_t out_end;
    uint32_t out_requests; /* queued since the last send */

    uint8_t *in;
    size_t in_size;
    size_t in_start;
    size_t in_end;
    uint64_t payload_left; /* bytes of the current frame's payload still to come */
    uint8_t *payload_to;   /* where they go; NULL = nowhere */
    uint32_t payload_slot; /* the read that they finish */

    bool takes_fds; /* answers may bring descriptors */
    bool gives_fds; /* the server knows that ours may come */
    uint32_t fd_count;
    int fds[HG_CLIENT_FDS_MAX]; /* came, and their answers are not decoded yet */
    int reply_fd;               /* of the answer being taken in; -1 = none */
    int send_fd;                /* goes with the next byte that is sent, borrowed; -1 = none */

    struct hg_client_slot *slots;
    uint32_t slot_count;
    uint32_t slot_free; /* head of the free list; slot_count = empty */
    uint32_t flying;

    struct hg_client_opened *opened; /* ascending by buffer */
    uint32_t opened_count;
    uint32_t opened_size;

    struct hg_client_arena arena;       /* of the reply being taken in */
    struct hg_client_arena hello_arena; /* of server's strings */
    hologram_server_info server;
};

/* ---- error.c --------------------------------------------------------------------------------- */

/* Fill an error (may be NULL) or the client's last error, and give STATUS. */
hologram_status hg_client_error(hologram_error *error, hologram_status status, const char *format,
                                ...) HG_CLIENT_PRINTF(3, 4);
hologram_status hg_client_fail(hologram_client *client, hologram_status status, const char *format,
                               ...) HG_CLIENT_PRINTF(3, 4);
hologram_status hg_client_fail_memory(hologram_client *client);
/* Makes the connection unusable; the first failure stays. Gives its status. */
hologram_status hg_client_break(hologram_client *client, hologram_status status, const char *format,
                                ...) HG_CLIENT_PRINTF(3, 4);
/* OK, or the failure of the connection, which becomes the last error. */
hologram_status hg_client_check(hologram_client *client);
/* Copies a text into a fixed array, cut to fit. */
void hg_client_copy_text(char *to, size_t size, const char *from);

/* ---- clock and wire -------------------------------------------------------------------------- */

uint64_t hg_client_now_ns(void);
/* The connection fails with what errno says of CALL. */
hologram_status hg_client_break_errno(hologram_client *client, const char *call);
/* Waits for EVENTS of the socket until DEADLINE_NS (0 = as long as it takes); what came is in
 * *CAME, 0 when time is up. */
hologram_status hg_client_await(hologram_client *client, short events, uint64_t deadline_ns,
                                short *came);
/* Room for BYTES more bytes of requests, which hg_client_queued then counts; sends what is queued
 * first if they would not fit. NULL, with the client's error set, on failure. */
uint8_t *hg_client_queue(hologram_client *client, size_t bytes, uint64_t deadline_ns);
void hg_client_queued(hologram_client *client, size_t bytes);
/* Sends what is queued and then DATA, which is not copied. Takes answers in while it waits. */
hologram_status hg_client_send(hologram_client *client, const uint8_t *data, uint64_t bytes,
                               uint64_t deadline_ns);
/* Takes answers in: waits for some until DEADLINE_NS (0 = as long as it takes) if BLOCK. */
hologram_status hg_client_receive(hologram_client *client, bool block, uint64_t deadline_ns);

/* ---- ticket.c -------------------------------------------------------------------------------- */

/* What a new request wants of its answer. */
struct hg_client_want {
    hg_client_take_fn *take; /* NULL: only the status */
    void *result;
    void *destination; /* of a payload */
    uint64_t destination_bytes;
    uint64_t deadline_ns; /* 0: from the client's timeout */
    bool detached;
};

/* Gives a slot and its TICKET. On success one of the encoders has to follow, whose result
 * hg_client_submitted turns into that of the whole. */
hologram_status hg_client_begin(hologram_client *client, const struct hg_client_want *want,
                                hologram_ticket *ticket);
hologram_status hg_client_submitted(hologram_client *client, hologram_ticket ticket,
                                    hologram_status status, hologram_ticket *caller_ticket);
/* The same for a blocking call: waits for the answer, too. */
hologram_status hg_client_complete(hologram_client *client, hologram_ticket ticket,
                                   hologram_status status);
/* Deadline of a request that is being sent. */
uint64_t hg_client_deadline(const hologram_client *client, hologram_ticket ticket);
/* A frame has come: REPLY with PAYLOAD_BYTES after it. Sets client->payload_*. */
hologram_status hg_client_answer(hologram_client *client, const struct hg_client_reply *reply,
                                 uint64_t payload_bytes);
/* A success came for request ID, with the body of an execute if IS_EXECUTE, and nothing after it.
 * False, and nothing happened, if the request wants to know more of it, or is not in flight. */
bool hg_client_answer_success(hologram_client *client, uint64_t id, bool is_execute);
/* The payload of client->payload_slot is complete. */
void hg_client_payload_done(hologram_client *client);
void hg_client_slots_free(hologram_client *client);

/* ---- buffer.c -------------------------------------------------------------------------------- */

/* Mints an id; its low four bits are DTYPE, or 0 for what has no type. */
uint64_t hg_client_mint(hologram_client *client, hologram_dtype dtype);
/* Refuses what has no representation on the wire. */
hologram_status hg_client_check_spec(hologram_client *client, const hologram_buffer_spec *spec);
/* The type of a buffer's elements, 0 if the id is none that this client minted. */
hologram_dtype hg_client_dtype(const hologram_client *client, hologram_buffer buffer);

/* Notes the type of a buffer that was minted without one. */
hologram_status hg_client_note_type(hologram_client *client, hologram_buffer buffer,
                                    hologram_dtype dtype);

/* Frees a buffer that could not be filled or mapped; the error that says why stays. */
void hg_client_undo_alloc(hologram_client *client, hologram_buffer buffer);
/* Opens NAME; RESULT is TAKE's and contains INFO. */
hologram_status hg_client_open(hologram_client *client, const char *name, bool writable,
                               hg_client_take_fn *take, void *result, hologram_buffer_info *info,
                               hologram_buffer *buffer);

/* ---- shared.c -------------------------------------------------------------------------------- */

/* Keeps the descriptors that MESSAGE brought. */
hologram_status hg_client_push_fds(hologram_client *client, struct msghdr *message);
/* Makes the oldest the reply's. */
hologram_status hg_client_pop_fd(hologram_client *client);
/* Closes the reply's, if there is one. */
void hg_client_drop_fd(hologram_client *client);
void hg_client_close_fds(hologram_client *client);
/* Maps BYTES bytes of the reply's. */
hologram_status hg_client_map(hologram_client *client, uint64_t bytes, bool writable, void **memory,
                              hologram_error *error);

/* ---- codec_request.c: each appends one request ----------------------------------------------- */

hologram_status hg_client_put_hello(hologram_client *client, hologram_ticket ticket,
                                    const char *name);
hologram_status hg_client_put_ping(hologram_client *client, hologram_ticket ticket);
hologram_status hg_client_put_alloc(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, const hologram_buffer_spec *spec);
hologram_status hg_client_put_expect(hologram_client *client, hologram_ticket ticket);
hologram_status hg_client_put_adopt(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, const hologram_buffer_spec *spec);
hologram_status hg_client_put_free(hologram_client *client, hologram_ticket ticket,
                                   hologram_buffer buffer);
hologram_status hg_client_put_freeze(hologram_client *client, hologram_ticket ticket,
                                     hologram_buffer buffer);
hologram_status hg_client_put_write(hologram_client *client, hologram_ticket ticket,
                                    hologram_buffer buffer, uint64_t offset, const void *data,
                                    uint64_t bytes);
hologram_status hg_client_put_read(hologram_client *client, hologram_ticket ticket,
                                   hologram_buffer buffer, uint64_t offset, uint64_t bytes);
hologram_status hg_client_put_execute(hologram_client *client, hologram_ticket ticket,
                                      const hologram_call *call);
hologram_status hg_client_put_run(hologram_client *client, hologram_ticket ticket,
                                  const hologram_run *run);
hologram_status hg_client_put_load(hologram_client *client, hologram_ticket ticket,
                                   hologram_program program, const void *binary, size_t bytes);
hologram_status hg_client_put_unload(hologram_client *client, hologram_ticket ticket,
                                     hologram_program program);
hologram_status hg_client_put_publish(hologram_client *client, hologram_ticket ticket,
                                      hologram_buffer buffer, const char *name, uint32_t mode,
                                      uint32_t gid);
hologram_status hg_client_put_unpublish(hologram_client *client, hologram_ticket ticket,
                                        const char *name);
hologram_status hg_client_put_open(hologram_client *client, hologram_ticket ticket,
                                   const char *name, bool writable, hologram_buffer buffer);
hologram_status hg_client_put_stats(hologram_client *client, hologram_ticket ticket);
hologram_status hg_client_put_list_ops(hologram_client *client, hologram_ticket ticket);
hologram_status hg_client_put_list_buffers(hologram_client *client, hologram_ticket ticket,
                                           hologram_scope scope);
hologram_status hg_client_put_cancel(hologram_client *client, hologram_ticket ticket,
                                     hologram_ticket target);

/* ---- codec_prepared.c ------------------------------------------------------------------------ */

/* Bytes that are kept encoded. */
struct hg_client_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* Gives PATTERN as a request without an address, in fresh memory. */
hologram_status hg_client_pack_prepare(hologram_client *client, const hologram_pattern *pattern,
                                       struct hg_client_bytes *bytes);
hologram_status hg_client_put_prepare(hologram_client *client, hologram_ticket ticket,
                                      const struct hg_client_bytes *body);
hologram_status hg_client_put_execute_prepared(hologram_client *client, hologram_ticket ticket,
                                               uint64_t handle, const hologram_prepared_call *call);
hologram_status hg_client_put_unprepare(hologram_client *client, hologram_ticket ticket,
                                        uint64_t handle);

/* ---- codec_step.c: each adds one step -------------------------------------------------------- */

/* The steps are kept encoded; this request wraps them. */
hologram_status hg_client_put_batch(hologram_client *client, hologram_ticket ticket,
                                    const struct hg_client_bytes *steps);
hologram_status hg_client_step_alloc(hologram_client *client, struct hg_client_bytes *steps,
                                     hologram_buffer buffer, const hologram_buffer_spec *spec);
hologram_status hg_client_step_free(hologram_client *client, struct hg_client_bytes *steps,
                                    hologram_buffer buffer);
hologram_status hg_client_step_freeze(hologram_client *client, struct hg_client_bytes *steps,
                                      hologram_buffer buffer);
hologram_status hg_client_step_write(hologram_client *client, struct hg_client_bytes *steps,
                                     hologram_buffer buffer, uint64_t offset, const void *data,
                                     uint64_t bytes);
hologram_status hg_client_step_execute(hologram_client *client, struct hg_client_bytes *steps,
                                       const hologram_call *call);
hologram_status hg_client_step_run(hologram_client *client, struct hg_client_bytes *steps,
                                   const hologram_run *run);

hologram_status hg_client_step_execute_prepared(hologram_client *client,
                                                struct hg_client_bytes *steps, uint64_t handle,
                                                const hologram_prepared_call *call);

/* ---- execute.c ------------------------------------------------------------------------------- */

struct hologram_batch {
    hologram_client *client;
    struct hg_client_bytes steps;
    uint32_t count;
};

/* Around the encoding of a step: whether the batch takes one more, and counting it. */
hologram_status hg_client_check_room(hologram_batch *batch);
hologram_status hg_client_added(hologram_batch *batch, hologram_status status);

/* ---- codec_response.c ------------------------------------------------------------------------ */

struct hg_client_reply {
    uint64_t id;
    hologram_status status;
    const char *message;
    const char *detail;
    bool has_fd;          /* a descriptor came with it */
    const void *response; /* the decoded message, in client->arena */
};

/* True if MESSAGE is a success without a body, or with that of an execute: *IS_EXECUTE. Decodes the
 * id alone, for answers of which nobody wants more. */
bool hg_client_glance(const uint8_t *message, size_t bytes, uint64_t *id, bool *is_execute);
/* Decodes a message into client->arena. Breaks the connection if it is none. */
hologram_status hg_client_decode(hologram_client *client, const uint8_t *message, size_t bytes,
                                 struct hg_client_reply *reply);

hg_client_take_fn hg_client_take_hello; /* no result: client->server */
hg_client_take_fn hg_client_take_alloc; /* hologram_buffer_info */
hg_client_take_fn hg_client_take_open;  /* hologram_buffer_info */
/* The same with the memory mapped, if a descriptor came. */
struct hg_client_mapped {
    const hologram_buffer_spec *expected; /* what was asked for; NULL = whatever there is */
    hologram_buffer_info info;
    void *memory; /* NULL without one */
    bool writable;
};
hg_client_take_fn hg_client_take_alloc_mapped; /* struct hg_client_mapped */
hg_client_take_fn hg_client_take_open_mapped;  /* struct hg_client_mapped */
hg_client_take_fn hg_client_take_execution;    /* hologram_execution */
hg_client_take_fn hg_client_take_batch;        /* uint32_t */
hg_client_take_fn hg_client_take_program;      /* hologram_program_info */
hg_client_take_fn hg_client_take_handle;       /* uint64_t */
/* codec_list.c */
hg_client_take_fn hg_client_take_stats;   /* hologram_stats * */
hg_client_take_fn hg_client_take_ops;     /* hologram_ops * */
hg_client_take_fn hg_client_take_buffers; /* hologram_buffers * */

/* Results that own the arena they lie in. */
struct hologram_stats {
    struct hg_client_arena arena;
    hologram_server_stats server;
    const hologram_cache_stats *caches;
    const hologram_pool_stats *pools;
    uint32_t cache_count;
    uint32_t pool_count;
};

struct hg_client_op {
    hologram_op_info info;
    const hologram_attribute_info *attributes;
};

struct hologram_ops {
    struct hg_client_arena arena;
    const struct hg_client_op *ops;
    uint32_t count;
};

struct hologram_buffers {
    struct hg_client_arena arena;
    const hologram_buffer_info *buffers;
    uint32_t count;
    bool truncated;
};

#endif
