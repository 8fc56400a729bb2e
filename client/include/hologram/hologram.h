/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libhologram: a client of hologramd, the compute daemon of this host.
 *
 *     hologram_client *client;
 *     hologram_error error;
 *     if (hologram_connect(NULL, &client, &error) != HOLOGRAM_OK) { puts(error.message); … }
 *     hologram_buffer a, b, c;
 *     hologram_from_memory(client, HOLOGRAM_F32, x, 1000, &a);
 *     hologram_from_memory(client, HOLOGRAM_F32, y, 1000, &b);
 *     hologram_alloc_vector(client, HOLOGRAM_F32, 1000, &c);
 *     hologram_vector_add(client, a, b, c, HOLOGRAM_AUTO);
 *     hologram_read(client, c, 0, z, sizeof z);
 *     hologram_close(&client);
 *
 * Threads: a client may be used by one thread at a time; different clients by different threads at
 * the same time. No function has state outside its client.
 *
 * Errors: every fallible function returns a hologram_status. When it is not HOLOGRAM_OK,
 * hologram_last_error(client) has the text; results are then untouched. Two kinds are the
 * connection's and stay: HOLOGRAM_UNAVAILABLE after the server closed it, HOLOGRAM_INTERNAL after
 * it sent something that is not the protocol. Every later call repeats them; close the client and
 * connect anew. No call aborts, exits or raises a signal; signals that arrive do not interrupt a
 * call.
 *
 * Ownership: pointers given to a function are borrowed until it returns, unless its comment says
 * until when. What a function gives is freed with the function that it names.
 *
 * Blocking and pipelined use: a blocking function returns when the answer is there. A
 * hologram_submit_* function only queues the request and gives a ticket for hologram_wait; because
 * this library chooses the ids, alloc, write, execute and read can all be on their way at once.
 * Requests of one stream run in the order of submission (hologram_set_stream).
 *
 * Units: sizes and offsets called `bytes` or `offset` are in bytes; shapes, n, m, k, rows and cols
 * are in elements; times say their unit in their name.
 */
#ifndef HOLOGRAM_HOLOGRAM_H
#define HOLOGRAM_HOLOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define HOLOGRAM_API        __attribute__((visibility("default")))
#define HOLOGRAM_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HOLOGRAM_API
#define HOLOGRAM_MUST_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define HOLOGRAM_VERSION_MAJOR 0
#define HOLOGRAM_VERSION_MINOR 1
#define HOLOGRAM_VERSION_PATCH 0

/* Version of the library in use: "0.1.0"; static. */
HOLOGRAM_API const char *hologram_version(void);

/* ---- status ---------------------------------------------------------------------------------- */

/* The numbers are gRPC's. */
typedef enum hologram_status {
    HOLOGRAM_OK = 0,
    HOLOGRAM_CANCELLED = 1,
    HOLOGRAM_UNKNOWN = 2,
    HOLOGRAM_INVALID_ARGUMENT = 3,    /* the request can never succeed as it is written */
    HOLOGRAM_DEADLINE_EXCEEDED = 4,   /* its timeout passed first */
    HOLOGRAM_NOT_FOUND = 5,           /* a buffer, program, name or operation does not exist */
    HOLOGRAM_ALREADY_EXISTS = 6,      /* a name is taken */
    HOLOGRAM_PERMISSION_DENIED = 7,   /* this user may not */
    HOLOGRAM_RESOURCE_EXHAUSTED = 8,  /* a quota, a limit or memory ran out */
    HOLOGRAM_FAILED_PRECONDITION = 9, /* not possible in the present state */
    HOLOGRAM_ABORTED = 10,            /* given up because of a concurrent event */
    HOLOGRAM_OUT_OF_RANGE = 11,       /* an offset or address outside its buffer */
    HOLOGRAM_UNIMPLEMENTED = 12,      /* this server cannot do this */
    HOLOGRAM_INTERNAL = 13,           /* a fault of the server, or no valid protocol from it */
    HOLOGRAM_UNAVAILABLE = 14,        /* not there, closing, or overloaded: try again later */
    HOLOGRAM_DATA_LOSS = 15,          /* stored state is corrupt */
    HOLOGRAM_UNAUTHENTICATED = 16     /* identity not known */
} hologram_status;

/* "NOT_FOUND" and so on; static; "INVALID_STATUS" for a number outside the table. */
HOLOGRAM_API const char *hologram_status_name(hologram_status status);

typedef struct hologram_error {
    hologram_status status;
    /* For programs: DIVISION_BY_ZERO, OUT_OF_BOUNDS, FUEL_EXHAUSTED, NOT_PREPARED, or "". */
    char detail[32];
    char message[468]; /* for people; always terminated */
} hologram_error;

/* ---- connection ------------------------------------------------------------------------------ */

typedef struct hologram_client hologram_client;

/* Zero-initialise, then set what shall differ from the default. */
typedef struct hologram_options {
    /* NULL: $HOLOGRAM_SOCKET, else $RUNTIME_DIRECTORY/hologram.sock, else
     * $XDG_RUNTIME_DIR/hologram.sock, else /run/hologram/hologram.sock. */
    const char *socket_path;
    const char *client_name; /* for the server's logs, at most 64 bytes; NULL: the program's name */
    uint64_t connect_timeout_us; /* until the server has greeted; 0 = 5 seconds */
    uint64_t timeout_us;         /* of each request, as hologram_set_timeout; 0 = none */
    uint32_t spin_us;            /* busy-poll this long for an answer before sleeping; 0 = never */
    uint32_t reserved[15];       /* must be 0 */
} hologram_options;

/*
 * Connects and greets. OPTIONS may be NULL for all defaults. Gives *CLIENT: hologram_close.
 * ERROR may be NULL. Errors: UNAVAILABLE (nobody listens there), INVALID_ARGUMENT (path too long),
 * PERMISSION_DENIED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED (no common version).
 */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_connect(const hologram_options *options,
                                                                  hologram_client **client,
                                                                  hologram_error *error);

/* The same over a connected stream socket; takes FD, also on error. socket_path is not used. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_connect_fd(
    int fd, const hologram_options *options, hologram_client **client, hologram_error *error);

/* Writes the path that OPTIONS (may be NULL) lead to into PATH, SIZE bytes. INVALID_ARGUMENT if it
 * does not fit. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_socket_path(const hologram_options *options, char *path, size_t size);

/* Closes; requests in flight are abandoned, the session's buffers go. *CLIENT (may be NULL) becomes
 * NULL. */
HOLOGRAM_API void hologram_close(hologram_client **client);

/* The last error of this client; valid until the next call with it. Status OK if none yet. */
HOLOGRAM_API const hologram_error *hologram_last_error(const hologram_client *client);

/* For poll(2) only: readable when an answer may be there. */
HOLOGRAM_API int hologram_fd(const hologram_client *client);

/* The deadline of requests made from now on, counted from their arrival; 0 = none. The server
 * answers DEADLINE_EXCEEDED; should it not answer at all, the library does, two seconds later. */
HOLOGRAM_API void hologram_set_timeout(hologram_client *client, uint64_t timeout_us);

/* The stream of requests made from now on: requests of one stream run in order, streams are
 * independent. The first is 0. */
HOLOGRAM_API void hologram_set_stream(hologram_client *client, uint32_t stream);

typedef struct hologram_server_info {
    uint32_t protocol_version;
    bool admin; /* this user may administer */
    uint64_t session_id;
    const char *version;
    const char *const *features;
    uint32_t feature_count;
    uint32_t requests_in_flight_max;
    uint64_t message_bytes_max;
    uint64_t payload_bytes_max; /* of one write or read; the blocking functions split */
    uint64_t memory_bytes_max;
    uint32_t buffers_max;
    uint32_t boundary_classes_max;
    uint32_t batch_steps_max;
    uint32_t streams_max;
} hologram_server_info;

/* What the server said when it greeted; lives as long as CLIENT. */
HOLOGRAM_API const hologram_server_info *hologram_server(const hologram_client *client);

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_ping(hologram_client *client);

/* ---- element types and scalars --------------------------------------------------------------- */

typedef enum hologram_dtype {
    HOLOGRAM_I8 = 1,
    HOLOGRAM_I16 = 2,
    HOLOGRAM_I32 = 3,
    HOLOGRAM_I64 = 4,
    HOLOGRAM_U8 = 5,
    HOLOGRAM_U16 = 6,
    HOLOGRAM_U32 = 7,
    HOLOGRAM_U64 = 8,
    HOLOGRAM_F16 = 9,
    HOLOGRAM_BF16 = 10,
    HOLOGRAM_F32 = 11,
    HOLOGRAM_F64 = 12
} hologram_dtype;

/* Size of an element: 1, 2, 4 or 8; 0 for a value outside the enum. */
HOLOGRAM_API uint32_t hologram_dtype_bytes(hologram_dtype dtype);
/* "f32" and so on; static; "invalid" for a value outside the enum. */
HOLOGRAM_API const char *hologram_dtype_name(hologram_dtype dtype);
/* False, and *DTYPE untouched, for an unknown name. */
HOLOGRAM_API bool hologram_dtype_parse(const char *name, hologram_dtype *dtype);

/* The bit pattern of VALUE as DTYPE, in the low bits of *BITS. Floats round to nearest even. False,
 * and *BITS untouched, if an integer type cannot hold VALUE exactly. */
HOLOGRAM_API bool hologram_bits_from_double(hologram_dtype dtype, double value, uint64_t *bits);
/* The value that BITS are as DTYPE; 64-bit integers round to nearest even. */
HOLOGRAM_API double hologram_bits_to_double(hologram_dtype dtype, uint64_t bits);

/* ---- buffers --------------------------------------------------------------------------------- */

/* Names a buffer of one client; chosen by this library; never 0. */
typedef uint64_t hologram_buffer;
/* Names a request in flight of one client; never 0. */
typedef uint64_t hologram_ticket;

#define HOLOGRAM_RANK_MAX 8
#define HOLOGRAM_NAME_MAX 64 /* characters of a published name: A-Z a-z 0-9 . _ - / */
/* A size left to the server, which takes it from the shapes. */
#define HOLOGRAM_AUTO UINT64_MAX

typedef enum hologram_pool {
    HOLOGRAM_POOL_DEFAULT = 0, /* heap */
    HOLOGRAM_POOL_HEAP = 1,
    HOLOGRAM_POOL_BOUNDARY = 2, /* one class of 12,288 bytes; rationed */
    HOLOGRAM_POOL_SHARED = 3    /* mapped by this process, too: hologram_alloc_shared */
} hologram_pool;

typedef struct hologram_buffer_spec {
    hologram_dtype dtype;
    uint32_t rank;                     /* 0 = a scalar */
    uint64_t shape[HOLOGRAM_RANK_MAX]; /* elements, row-major */
    hologram_pool pool;
    bool boundary_fallback; /* heap memory when no boundary class is left, instead of an error */
} hologram_buffer_spec;

typedef struct hologram_buffer_info {
    hologram_buffer buffer;    /* 0 in lists of other sessions' buffers */
    hologram_buffer_spec spec; /* pool: where it is */
    uint64_t bytes;
    uint32_t boundary_class; /* when in the boundary pool */
    uint32_t uid;            /* owner, group and mode: in lists only */
    uint32_t gid;
    uint32_t mode;
    uint64_t session_id;              /* in lists only; 0 if of no session */
    char name[HOLOGRAM_NAME_MAX + 1]; /* when published, else "" */
    bool constant;                    /* nobody may write it any more */
} hologram_buffer_info;

/* Allocates a zeroed buffer. INFO may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_alloc(hologram_client *client,
                                                                const hologram_buffer_spec *spec,
                                                                hologram_buffer *buffer,
                                                                hologram_buffer_info *info);
/* A heap buffer of N elements, or of ROWS by COLS. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_alloc_vector(hologram_client *client,
                                                                       hologram_dtype dtype,
                                                                       uint64_t n,
                                                                       hologram_buffer *buffer);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_alloc_matrix(hologram_client *client,
                                                                       hologram_dtype dtype,
                                                                       uint64_t rows, uint64_t cols,
                                                                       hologram_buffer *buffer);
/* A heap buffer of N elements with the content of DATA. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_from_memory(hologram_client *client,
                                                                      hologram_dtype dtype,
                                                                      const void *data, uint64_t n,
                                                                      hologram_buffer *buffer);
/* Forgets BUFFER; its memory goes when nothing uses it any more. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_free(hologram_client *client,
                                                               hologram_buffer buffer);

/* Makes BUFFER constant, for everybody and for good: writing it is PERMISSION_DENIED from then on,
 * and the server keeps what it makes of its content, such as a product's packed weights, for all
 * clients. Only the owner may; again is no error. INVALID_ARGUMENT for shared memory, but what was
 * adopted sealed with F_SEAL_WRITE is constant already. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_freeze(hologram_client *client,
                                                                 hologram_buffer buffer);

/* Copies BYTES bytes to or from BUFFER at OFFSET. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_write(hologram_client *client,
                                                                hologram_buffer buffer,
                                                                uint64_t offset, const void *data,
                                                                uint64_t bytes);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_read(hologram_client *client,
                                                               hologram_buffer buffer,
                                                               uint64_t offset, void *data,
                                                               uint64_t bytes);

/* Names BUFFER, so that it outlives this client and others may open it. MODE as of a file (0600,
 * 0640 …). GID is the group that the middle bits speak of, HOLOGRAM_NO_GROUP for the user's own. */
#define HOLOGRAM_NO_GROUP UINT32_MAX
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_publish(hologram_client *client,
                                                                  hologram_buffer buffer,
                                                                  const char *name, uint32_t mode,
                                                                  uint32_t gid);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_unpublish(hologram_client *client,
                                                                    const char *name);
/* Gives this client a buffer for the published NAME. INFO may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_open(hologram_client *client,
                                                               const char *name, bool writable,
                                                               hologram_buffer *buffer,
                                                               hologram_buffer_info *info);

/* ---- shared memory --------------------------------------------------------------------------- */

/*
 * Buffers in memory that this process maps as well, so that nothing is copied. Between the answer
 * of one request and the next request the memory is the caller's; what is written during an
 * operation makes its result unspecified, and harms nothing else.
 *
 * MEMORY is the caller's until hologram_unmap, whatever happens to buffer, client and server. After
 * the server has let the buffer go it reads as zeros.
 */
/* Allocates a zeroed buffer and maps it. spec->pool counts for nothing. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_alloc_shared(hologram_client *client, const hologram_buffer_spec *spec,
                      hologram_buffer *buffer, void **memory);
/* As hologram_open; maps the buffer if it is shared, for reading only unless WRITABLE. Else *MEMORY
 * is NULL. INFO may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_open_shared(hologram_client *client, const char *name, bool writable,
                     hologram_buffer *buffer, void **memory, hologram_buffer_info *info);
/* A buffer in the memfd FD of this process, which stays the caller's and keeps its content. It must
 * be sealed with F_SEAL_SHRINK, open for writing, not on hugetlbfs, and large enough, else
 * INVALID_ARGUMENT. Its holes are filled with zeros. With F_SEAL_WRITE, it need not be open for
 * writing and makes a constant buffer. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_adopt(hologram_client *client, int fd,
                                                                const hologram_buffer_spec *spec,
                                                                hologram_buffer *buffer);
/* Unmaps the MEMORY (may be NULL) of a buffer of BYTES bytes. */
HOLOGRAM_API void hologram_unmap(void *memory, uint64_t bytes);

/* ---- operations ------------------------------------------------------------------------------ */

/* A scalar of an operation: its bits as the type that hologram_ops states for it, in the low bits.
 */
typedef struct hologram_attribute {
    const char *name;
    uint64_t bits;
} hologram_attribute;

typedef struct hologram_call {
    const char *op;
    const hologram_buffer *inputs; /* in the order of the operation's signature */
    uint32_t input_count;
    uint32_t output_count;
    const hologram_buffer *outputs;
    const hologram_attribute *attributes; /* sizes that are not given come from the shapes */
    uint32_t attribute_count;
} hologram_call;

/* How an execution went. */
typedef struct hologram_execution {
    char cache[32];   /* the cache that was asked */
    char outcome[16]; /* hit, precompiled, build, wait or busy */
    uint64_t queue_ns;
    uint64_t lookup_ns;
    uint64_t build_ns;
    uint64_t run_ns;
} hologram_execution;

/* Runs any operation. EXECUTION may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_execute(hologram_client *client,
                                                                  const hologram_call *call,
                                                                  hologram_execution *execution);

/* ---- prepared operations --------------------------------------------------------------------- */

/*
 * An operation whose types and attributes the server checks once and then runs by number. It is the
 * caller's and outlives its client: used with another one, it is prepared there first, by itself,
 * which takes a round trip. So it is when the server does not know its number any more.
 */
typedef struct hologram_prepared hologram_prepared;

/* An operand to be. */
typedef struct hologram_operand {
    hologram_dtype dtype;
    bool has_shape; /* false: not known yet; rank and shape count for nothing */
    uint32_t rank;
    uint64_t shape[HOLOGRAM_RANK_MAX];
} hologram_operand;

typedef struct hologram_pattern {
    const char *op;
    const hologram_operand *operands; /* inputs, then outputs */
    uint32_t operand_count;
    uint32_t attribute_count;
    const hologram_attribute *attributes;
} hologram_pattern;

/* Buffers of the types that were prepared for; their shapes may differ from call to call. */
typedef struct hologram_prepared_call {
    hologram_prepared *prepared;
    const hologram_buffer *inputs;
    uint32_t input_count;
    uint32_t output_count;
    const hologram_buffer *outputs;
} hologram_prepared_call;

/* Gives *PREPARED: hologram_unprepare. With the shape of every operand given, the programs are
 * built as well, so that the first execution finds them. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_prepare(hologram_client *client,
                                                                  const hologram_pattern *pattern,
                                                                  hologram_prepared **prepared);
/* Frees it; a batch that uses it must not run any more, nor may anything that does be on its way
 * over another stream than the present one. If CLIENT (may be NULL) is the one it was last used
 * with, the server frees its part with the request that leaves next, else with that client's
 * connection. *PREPARED (may be NULL) becomes NULL. */
HOLOGRAM_API void hologram_unprepare(hologram_client *client, hologram_prepared **prepared);
/* EXECUTION may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_execute_prepared(
    hologram_client *client, const hologram_prepared_call *call, hologram_execution *execution);

/*
 * One function per operation. N counts elements; N and COLS may be HOLOGRAM_AUTO. COLS 0 means one
 * row of N. Scalars are doubles that are rounded to the operand's type; an integer type must hold
 * them exactly (pass 64-bit integers beyond 2^53 as bits to hologram_execute).
 */
#define HOLOGRAM_DECLARE_BINARY(name)                                                              \
    HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_##name(                              \
        hologram_client *client, hologram_buffer a, hologram_buffer b, hologram_buffer c,          \
        uint64_t n);
#define HOLOGRAM_DECLARE_UNARY(name)                                                               \
    HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_##name(                              \
        hologram_client *client, hologram_buffer a, hologram_buffer c, uint64_t n);
#define HOLOGRAM_DECLARE_REDUCE(name)                                                              \
    HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_##name(                              \
        hologram_client *client, hologram_buffer a, hologram_buffer out, uint64_t n,               \
        uint64_t cols);

/* c = a op b; b may be shorter where its length divides n, or of length 1. */
HOLOGRAM_DECLARE_BINARY(vector_add)
HOLOGRAM_DECLARE_BINARY(vector_sub)
HOLOGRAM_DECLARE_BINARY(vector_mul)
HOLOGRAM_DECLARE_BINARY(vector_div)
HOLOGRAM_DECLARE_BINARY(min)
HOLOGRAM_DECLARE_BINARY(max)
HOLOGRAM_DECLARE_BINARY(pow)
/* c, of type u8: 1 where the relation of a and b holds, else 0. */
HOLOGRAM_DECLARE_BINARY(equal)
HOLOGRAM_DECLARE_BINARY(not_equal)
HOLOGRAM_DECLARE_BINARY(less)
HOLOGRAM_DECLARE_BINARY(less_equal)
HOLOGRAM_DECLARE_BINARY(greater)
HOLOGRAM_DECLARE_BINARY(greater_equal)
/* c = a where cond, of type u8, is not 0, else b; a and b may be shorter. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_where(hologram_client *client,
                                                                hologram_buffer cond,
                                                                hologram_buffer a,
                                                                hologram_buffer b,
                                                                hologram_buffer c, uint64_t n);
/* c = f(a). */
HOLOGRAM_DECLARE_UNARY(abs)
HOLOGRAM_DECLARE_UNARY(neg)
HOLOGRAM_DECLARE_UNARY(relu)
HOLOGRAM_DECLARE_UNARY(sigmoid)
HOLOGRAM_DECLARE_UNARY(tanh)
HOLOGRAM_DECLARE_UNARY(gelu)
HOLOGRAM_DECLARE_UNARY(sqrt)
HOLOGRAM_DECLARE_UNARY(rsqrt)
HOLOGRAM_DECLARE_UNARY(exp)
HOLOGRAM_DECLARE_UNARY(log)
HOLOGRAM_DECLARE_UNARY(log2)
HOLOGRAM_DECLARE_UNARY(log10)
HOLOGRAM_DECLARE_UNARY(sin)
HOLOGRAM_DECLARE_UNARY(cos)
HOLOGRAM_DECLARE_UNARY(tan)
HOLOGRAM_DECLARE_UNARY(erf)
/* out[row] = the fold of row `row` of `cols` elements. */
HOLOGRAM_DECLARE_REDUCE(sum)
HOLOGRAM_DECLARE_REDUCE(reduce_min)
HOLOGRAM_DECLARE_REDUCE(reduce_max)
HOLOGRAM_DECLARE_REDUCE(mean)
HOLOGRAM_DECLARE_REDUCE(var)
/* out, of type i64: the index of the first maximum of row `row`. */
HOLOGRAM_DECLARE_REDUCE(argmax)
/* y = (x - mean) / sqrt(variance + eps) * gamma + beta, by rows of `cols` elements. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_layer_norm(hologram_client *client, hologram_buffer x, hologram_buffer gamma,
                    hologram_buffer beta, hologram_buffer y, uint64_t n, uint64_t cols, double eps);
/* out = the sum over the middle axis of a, of outer x length x inner elements. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_sum_axis(hologram_client *client,
                                                                   hologram_buffer a,
                                                                   hologram_buffer out, uint64_t n,
                                                                   uint64_t length, uint64_t inner);
/* out, cols x rows, has the columns of a, rows x cols, as its rows. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_transpose(hologram_client *client,
                                                                    hologram_buffer a,
                                                                    hologram_buffer out,
                                                                    uint64_t rows, uint64_t cols);
/* Each of the `rows` rows of out is one of a, then one of b; AUTO: all of a, then all of b. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_concat(hologram_client *client,
                                                                 hologram_buffer a,
                                                                 hologram_buffer b,
                                                                 hologram_buffer out,
                                                                 uint64_t rows);
/* Row i of out is row indices[i] of the table, rows x cols; indices are i32, i64 or u32, negative
 * ones count from the end. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_gather_rows(hologram_client *client, hologram_buffer table, hologram_buffer indices,
                     hologram_buffer out, uint64_t n, uint64_t rows, uint64_t cols);
/* dst = src. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_copy(hologram_client *client,
                                                               hologram_buffer src,
                                                               hologram_buffer dst, uint64_t n);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_fill(hologram_client *client,
                                                               hologram_buffer dst, double value,
                                                               uint64_t n);
/* c = min(max(a, lo), hi). */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_clip(hologram_client *client,
                                                               hologram_buffer a, hologram_buffer c,
                                                               double lo, double hi, uint64_t n);
/* c = a + s, c = a * s. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_scalar_add(hologram_client *client,
                                                                     hologram_buffer a,
                                                                     hologram_buffer c, double s,
                                                                     uint64_t n);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_scalar_mul(hologram_client *client,
                                                                     hologram_buffer a,
                                                                     hologram_buffer c, double s,
                                                                     uint64_t n);
/* Per row of COLS elements; TEMPERATURE > 0, 1 = plain. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_softmax(hologram_client *client,
                                                                  hologram_buffer a,
                                                                  hologram_buffer c, uint64_t n,
                                                                  uint64_t cols,
                                                                  double temperature);
/* out[0] = the mean of (p - t)^2. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_mse(hologram_client *client,
                                                              hologram_buffer p, hologram_buffer t,
                                                              hologram_buffer out, uint64_t n);
/* EPS 0 = probabilities are not clamped. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cross_entropy(hologram_client *client,
                                                                        hologram_buffer p,
                                                                        hologram_buffer t,
                                                                        hologram_buffer out,
                                                                        uint64_t n, double eps);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_binary_cross_entropy(hologram_client *client, hologram_buffer p, hologram_buffer t,
                              hologram_buffer out, uint64_t n, double eps);

/* C (m by n) = A (m by k) times B (k by n), row-major; sizes may be HOLOGRAM_AUTO. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_gemm(hologram_client *client,
                                                               hologram_buffer a, hologram_buffer b,
                                                               hologram_buffer c, uint64_t m,
                                                               uint64_t k, uint64_t n);

typedef struct hologram_gemm_options {
    uint64_t m, k, n; /* of the product, after transposing; may be HOLOGRAM_AUTO */
    bool trans_a;     /* A is stored k by m */
    bool trans_b;     /* B is stored n by k */
    double alpha;
    double beta; /* 0: C is not read */
} hologram_gemm_options;

/* C = alpha * op(A) * op(B) + beta * C. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_gemm_with(hologram_client *client, hologram_buffer a, hologram_buffer b, hologram_buffer c,
                   const hologram_gemm_options *options);
/* y = op(A) * x; A is m by n as stored. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_matvec(hologram_client *client,
                                                                 hologram_buffer a,
                                                                 hologram_buffer x,
                                                                 hologram_buffer y, uint64_t m,
                                                                 uint64_t n, bool trans);

typedef enum hologram_activation {
    HOLOGRAM_NO_ACTIVATION,
    HOLOGRAM_RELU,
    HOLOGRAM_GELU
} hologram_activation;

typedef struct hologram_linear_options {
    uint64_t m, k, n; /* x is m by k, w k by n; may be HOLOGRAM_AUTO */
    bool trans_w;     /* w is stored n by k */
    hologram_activation activation;
} hologram_linear_options;

/* y = activation(x * op(w) + b): a network's layer as one program. b has n elements. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_linear(hologram_client *client, hologram_buffer x, hologram_buffer w, hologram_buffer b,
                hologram_buffer y, const hologram_linear_options *options);

#undef HOLOGRAM_DECLARE_BINARY
#undef HOLOGRAM_DECLARE_UNARY
#undef HOLOGRAM_DECLARE_REDUCE

/* ---- users' programs ------------------------------------------------------------------------- */

typedef uint64_t hologram_program;

typedef struct hologram_program_info {
    uint32_t instructions;
    uint32_t slots; /* operand slots b0 … that a run must bind */
    uint32_t block; /* lanes per block */
} hologram_program_info;

typedef struct hologram_run {
    hologram_program program;
    const hologram_buffer *buffers; /* slots b0, b1 … */
    uint32_t buffer_count;
    uint32_t param_count;
    const uint64_t *params; /* launch parameters from k3 on, as bits */
    uint64_t rows;          /* 0 = 1 */
    uint64_t cols;
    uint64_t fuel; /* 0 = the server's default */
} hologram_run;

/* Sends a program in the binary form of the instruction set; the server verifies it. INFO may be
 * NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_load_program(hologram_client *client,
                                                                       const void *binary,
                                                                       size_t bytes,
                                                                       hologram_program *program,
                                                                       hologram_program_info *info);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_unload_program(hologram_client *client,
                                                                         hologram_program program);
/* EXECUTION may be NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_run_program(
    hologram_client *client, const hologram_run *run, hologram_execution *execution);

/* ---- graphs ---------------------------------------------------------------------------------- */

/*
 * Many operations as one request, which the server plans into a few programs. A graph is written as
 * a text in NumPy's notation,
 *
 *     h = relu(x @ w1 + b1)
 *     y = softmax(h @ w2 + b2)
 *
 * or given as nodes. Names that nothing was assigned to are inputs; without `return` the results
 * are the names whose value nothing reads. client/README.md has the language. The same graph of any
 * client is planned once, for each set of types and shapes that it is run with.
 */
typedef uint64_t hologram_graph; /* of one client; 0 is none */

#define HOLOGRAM_GRAPH_BINDINGS_MAX 112 /* inputs and outputs of one run */
#define HOLOGRAM_GRAPH_OUTPUTS_MAX  64
#define HOLOGRAM_GRAPH_NAME_MAX     63

/* A node: zero-initialise, then set what its operation takes. */
typedef struct hologram_node {
    const char *op;         /* "input", "literal", or an operation: "add", "matmul" … */
    const uint32_t *inputs; /* earlier nodes, from 0 */
    uint32_t input_count;
    hologram_dtype dtype; /* input: 0 = the buffer decides; astype; literal: 0 = of what it meets */
    const char *name;     /* of an input; of others for errors, may be NULL */
    uint64_t bits;        /* literal: as dtype, else an F64 if is_float, else a 64-bit integer */
    bool is_float;
    bool has_shape; /* input: `sizes` is its shape */
    bool has_axis;
    bool keepdims;
    bool has_number;
    /* A shape: sizes, -1 where open, or -2 - i: symbol i. Of transpose: the order of the axes. */
    const int64_t *sizes;
    uint32_t size_count;
    int32_t axis;
    double number; /* eps, temperature */
} hologram_node;

typedef struct hologram_node_list {
    const hologram_node *nodes;
    uint32_t node_count;
    uint32_t result_count;
    const uint32_t *results;         /* nodes */
    const char *const *result_names; /* as many */
    const char *const *symbols;
    uint32_t symbol_count;
} hologram_node_list;

/* One of the two. */
typedef struct hologram_graph_source {
    const char *text;
    const hologram_node_list *list;
} hologram_graph_source;

typedef struct hologram_graph_info {
    const char *digest; /* of its content: equal graphs have equal ones */
    uint32_t nodes;
    uint32_t input_count;
    uint32_t output_count;
    const char *const *inputs; /* names, in the order of their first use */
    const char *const *outputs;
} hologram_graph_info;

/* Checks a graph and keeps it at the server. INFO may be NULL; else gives *INFO:
 * hologram_graph_info_free. Errors: INVALID_ARGUMENT names line and column, or the node. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_load_graph(hologram_client *client, const hologram_graph_source *source,
                    hologram_graph *graph, const hologram_graph_info **info);
HOLOGRAM_API void hologram_graph_info_free(const hologram_graph_info *info);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_unload_graph(hologram_client *client,
                                                                       hologram_graph graph);

typedef struct hologram_graph_input {
    const char *name;
    hologram_buffer buffer;
} hologram_graph_input;

typedef struct hologram_graph_output {
    const char *name; /* NULL: the next one that is not named */
    /* Where it goes, which may be an input's buffer; 0: a fresh buffer, which this becomes at once.
     * Where the run fails there is none, and it is 0 again. */
    hologram_buffer buffer;
    /* Filled in by the answer. */
    bool made;
    char given_name[HOLOGRAM_GRAPH_NAME_MAX + 1]; /* "": the graph has no such output */
    hologram_dtype dtype;
    uint32_t rank;
    uint64_t shape[HOLOGRAM_RANK_MAX];
} hologram_graph_output;

typedef struct hologram_graph_run {
    hologram_graph graph;                /* one that was loaded, or 0: */
    const hologram_graph_source *source; /* evaluated, as fast the second time */
    const hologram_graph_input *inputs;
    uint32_t input_count;
    uint32_t output_count;
    hologram_graph_output *outputs; /* more without names than the graph has do no harm */
    /* Filled in by the answer. */
    uint32_t launches;
    uint64_t arena_bytes; /* of memory that the values between the launches took */
    hologram_execution execution;
} hologram_graph_run;

/* Runs a graph. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_run_graph(hologram_client *client,
                                                                    hologram_graph_run *run);
/* Only queues it. RUN and its outputs are borrowed until the answer is there; TICKET must not be
 * NULL. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_run_graph(hologram_client *client,
                                                                           hologram_graph_run *run,
                                                                           hologram_ticket *ticket);

typedef struct hologram_graph_pattern {
    const char *name; /* of an input */
    hologram_operand operand;
} hologram_graph_pattern;

/* What a graph becomes for inputs of these types and shapes, or with DOT a picture of it for
 * graphviz. Gives *TEXT: hologram_text_free. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_explain_graph(
    hologram_client *client, const hologram_graph_source *source,
    const hologram_graph_pattern *inputs, uint32_t input_count, bool dot, const char **text);
HOLOGRAM_API void hologram_text_free(const char *text);

/* Names a loaded graph so that it outlives this client and others may open it; MODE and GID as of
 * hologram_publish, only the bits for reading matter. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_save_graph(hologram_client *client,
                                                                     hologram_graph graph,
                                                                     const char *name,
                                                                     uint32_t mode, uint32_t gid);
/* As hologram_load_graph, of a named one. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_open_graph(hologram_client *client, const char *name, hologram_graph *graph,
                    const hologram_graph_info **info);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_remove_graph(hologram_client *client,
                                                                       const char *name);

typedef struct hologram_named_graph {
    const char *name;
    const char *digest;
    uint32_t nodes;
    uint32_t inputs;
    uint32_t outputs;
    uint32_t uid;
    uint32_t gid;
    uint32_t mode;
} hologram_named_graph;

typedef struct hologram_named_graphs {
    const hologram_named_graph *graphs;
    uint32_t count;
    bool truncated; /* there are more */
} hologram_named_graphs;

/* The named graphs that this user may open. Gives *LIST: hologram_named_graphs_free. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_graphs(hologram_client *client, const hologram_named_graphs **list);
HOLOGRAM_API void hologram_named_graphs_free(const hologram_named_graphs *list);

/* ---- batches --------------------------------------------------------------------------------- */

/*
 * Steps that travel as one message and run in order until the first that fails. A batch can be run
 * any number of times. It belongs to its client and is freed before it; the steps' data is copied.
 */
typedef struct hologram_batch hologram_batch;

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_new(hologram_client *client,
                                                                    hologram_batch **batch);
/* *BATCH (may be NULL) becomes NULL. */
HOLOGRAM_API void hologram_batch_free(hologram_batch **batch);
/* Removes all steps. */
HOLOGRAM_API void hologram_batch_clear(hologram_batch *batch);
HOLOGRAM_API uint32_t hologram_batch_steps(const hologram_batch *batch);

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_alloc(
    hologram_batch *batch, const hologram_buffer_spec *spec, hologram_buffer *buffer);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_free_buffer(hologram_batch *batch,
                                                                            hologram_buffer buffer);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_freeze(hologram_batch *batch,
                                                                       hologram_buffer buffer);
/* The data travels inside the message: for small writes. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_write(hologram_batch *batch,
                                                                      hologram_buffer buffer,
                                                                      uint64_t offset,
                                                                      const void *data,
                                                                      uint64_t bytes);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_execute(hologram_batch *batch,
                                                                        const hologram_call *call);
/* Prepares first if that has to be, without the batch, which keeps the number that the operation
 * has now. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_batch_execute_prepared(hologram_batch *batch, const hologram_prepared_call *call);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_batch_run_program(hologram_batch *batch, const hologram_run *run);
/* Fresh outputs get their buffers now; nothing else of RUN is filled in, also later. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_run_graph(hologram_batch *batch,
                                                                          hologram_graph_run *run);

/* Runs it. *COMPLETED (may be NULL) is the number of steps that succeeded, also when the status,
 * which is that of step number *COMPLETED, is an error. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_batch_run(hologram_batch *batch,
                                                                    uint32_t *completed);

/* ---- pipelining ------------------------------------------------------------------------------ */

/*
 * Each queues one request and gives its ticket. Queued requests leave when enough have gathered,
 * with hologram_flush, or with any function that waits. Results (INFO, EXECUTION, COMPLETED, DATA
 * of a read; all but DATA may be NULL) are borrowed until the ticket has been waited for or
 * forgotten. When TICKET is NULL nobody waits for this request: should it fail, hologram_wait_all
 * reports it.
 *
 * hologram_submit_* may block while too many requests are in flight or the socket is full; answers
 * are taken in meanwhile. An error means that the request was not sent.
 */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_submit_alloc(hologram_client *client, const hologram_buffer_spec *spec,
                      hologram_buffer *buffer, hologram_buffer_info *info, hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_free(hologram_client *client,
                                                                      hologram_buffer buffer,
                                                                      hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_freeze(hologram_client *client,
                                                                        hologram_buffer buffer,
                                                                        hologram_ticket *ticket);
/* DATA may be reused when it returns. At most payload_bytes_max of hologram_server. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_submit_write(hologram_client *client, hologram_buffer buffer, uint64_t offset,
                      const void *data, uint64_t bytes, hologram_ticket *ticket);
/* At most payload_bytes_max of hologram_server; at least 1 byte. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_read(hologram_client *client,
                                                                      hologram_buffer buffer,
                                                                      uint64_t offset, void *data,
                                                                      uint64_t bytes,
                                                                      hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_submit_execute(hologram_client *client, const hologram_call *call,
                        hologram_execution *execution, hologram_ticket *ticket);
/* Waits for an answer only where it has to prepare first. Should the server turn out not to know
 * the number any more (NOT_FOUND with the detail NOT_PREPARED), the next use prepares again. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_submit_execute_prepared(hologram_client *client, const hologram_prepared_call *call,
                                 hologram_execution *execution, hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_submit_run_program(hologram_client *client, const hologram_run *run,
                            hologram_execution *execution, hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_batch(hologram_batch *batch,
                                                                       uint32_t *completed,
                                                                       hologram_ticket *ticket);
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_submit_ping(hologram_client *client,
                                                                      hologram_ticket *ticket);

/* Sends what is queued. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_flush(hologram_client *client);
/* Waits for the answer; the status is the request's. The ticket is used up. INVALID_ARGUMENT for a
 * ticket that is not in flight. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_wait(hologram_client *client,
                                                               hologram_ticket ticket);
/* Waits for everything in flight and uses up all tickets; the first failure, if there is one. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_wait_all(hologram_client *client);
/* Takes in what has arrived, without blocking; *DONE tells whether TICKET's answer is there. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_poll(hologram_client *client,
                                                               hologram_ticket ticket, bool *done);
/* Uses up TICKET without waiting; its results stay untouched from now on. */
HOLOGRAM_API void hologram_forget(hologram_client *client, hologram_ticket ticket);
/* Asks the server to stop a request that is queued or runs; the request then ends with CANCELLED,
 * unless it was too late. TICKET still has to be waited for. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cancel(hologram_client *client,
                                                                 hologram_ticket ticket);

/* ---- what the server knows and does ---------------------------------------------------------- */

/* The objects given here are the caller's, live independently of the client, and are freed with
 * their hologram_*_free, which accepts NULL. Accessors give NULL for an index out of range. */

typedef struct hologram_stats hologram_stats;

typedef struct hologram_server_stats {
    const char *version;
    const char *executor;    /* block or reference */
    const char *isa_level;   /* kernels in use: generic, avx2, avx512 */
    const char *metrics_url; /* "" when the HTTP listener is off */
    uint64_t uptime_ns;
    uint64_t requests;
    uint64_t errors;
    uint64_t allocated_bytes;
    uint64_t resident_bytes;
    uint32_t sessions;
    uint32_t workers;
    uint32_t queue_depth;
    uint64_t precompiled; /* of the caches' builds, those that were there from the start */
    uint64_t warmed;      /* programs found or built by warming */
    uint64_t cache_entries;
    uint64_t cache_entries_max;
    uint64_t cache_bytes; /* of programs and the table */
    uint64_t cache_bytes_max;
    uint64_t packed_entries; /* operands of products, kept packed as their buffers are constant */
    uint64_t packed_bytes;
    uint64_t packed_bytes_max;
    uint64_t packed_hits; /* products that read them */
    uint64_t packed_builds;
    uint64_t packed_evictions;
} hologram_server_stats;

typedef struct hologram_cache_stats {
    const char *cache;
    const char *help;
    uint64_t hits;
    uint64_t misses;
    uint64_t builds;
    uint64_t build_failures;
    uint64_t evictions;
    uint64_t entries;
    uint64_t bytes;
    uint64_t missed_first_seen; /* the misses by reason */
    uint64_t missed_evicted;
    uint64_t missed_flushed;
    uint64_t missed_failed;
    uint64_t build_ns; /* of all builds, failed ones too */
    bool unfused;      /* counts only where composites are not fused */
} hologram_cache_stats;

typedef struct hologram_pool_stats {
    const char *pool;
    uint64_t bytes_used;
    uint64_t bytes_limit;
    uint64_t buffers;
} hologram_pool_stats;

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_get_stats(hologram_client *client,
                                                                    hologram_stats **stats);
HOLOGRAM_API void hologram_stats_free(hologram_stats *stats);
HOLOGRAM_API const hologram_server_stats *hologram_stats_server(const hologram_stats *stats);
HOLOGRAM_API uint32_t hologram_stats_cache_count(const hologram_stats *stats);
HOLOGRAM_API const hologram_cache_stats *hologram_stats_cache(const hologram_stats *stats,
                                                              uint32_t index);
HOLOGRAM_API uint32_t hologram_stats_pool_count(const hologram_stats *stats);
HOLOGRAM_API const hologram_pool_stats *hologram_stats_pool(const hologram_stats *stats,
                                                            uint32_t index);

typedef struct hologram_ops hologram_ops;

typedef struct hologram_attribute_info {
    const char *name;
    const char *kind; /* operand (of the first input's type), f32-or-operand, u64, flag */
    const char *summary;
    uint64_t default_bits;
    bool required;
} hologram_attribute_info;

typedef struct hologram_op_info {
    const char *name;
    const char *module;
    const char *summary;
    uint32_t inputs;
    uint32_t outputs;
    const char *const *operand_names; /* inputs, then outputs */
    uint32_t operand_name_count;
    uint32_t dtype_count;
    const hologram_dtype *dtypes; /* of operands without types of their own: all the same one */
    uint32_t attribute_count;
    const uint32_t *operand_dtypes; /* per operand, types of its own as bits 1 << dtype; 0: none */
} hologram_op_info;

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_list_ops(hologram_client *client,
                                                                   hologram_ops **ops);
HOLOGRAM_API void hologram_ops_free(hologram_ops *ops);
HOLOGRAM_API uint32_t hologram_ops_count(const hologram_ops *ops);
HOLOGRAM_API const hologram_op_info *hologram_ops_at(const hologram_ops *ops, uint32_t index);
/* NULL if there is none of that name. */
HOLOGRAM_API const hologram_op_info *hologram_ops_find(const hologram_ops *ops, const char *name);
HOLOGRAM_API const hologram_attribute_info *
hologram_ops_attribute(const hologram_ops *ops, const hologram_op_info *op, uint32_t index);

typedef struct hologram_buffers hologram_buffers;

typedef enum hologram_scope {
    HOLOGRAM_SCOPE_SESSION = 0, /* this client's buffers */
    HOLOGRAM_SCOPE_NAMED = 1,   /* published buffers that this user may open */
    HOLOGRAM_SCOPE_ALL = 2      /* every session's: administration */
} hologram_scope;

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_list_buffers(hologram_client *client,
                                                                       hologram_scope scope,
                                                                       hologram_buffers **buffers);
HOLOGRAM_API void hologram_buffers_free(hologram_buffers *buffers);
HOLOGRAM_API uint32_t hologram_buffers_count(const hologram_buffers *buffers);
/* There are more than the server lists at once. */
HOLOGRAM_API bool hologram_buffers_truncated(const hologram_buffers *buffers);
HOLOGRAM_API const hologram_buffer_info *hologram_buffers_at(const hologram_buffers *buffers,
                                                             uint32_t index);

/* ---- the program cache ----------------------------------------------------------------------- */

/*
 * A cached program is known by its key's name, 64 hexadecimal digits; any beginning of at least 4
 * that no other key shares will do. Names hold for as long as the server runs. CACHE is one of the
 * named caches, or NULL for all. Lists and all else that is given here is the caller's, as above.
 */
typedef struct hologram_cached_program {
    const char *key;
    const char *cache;
    const char *summary; /* the key in words: operands, form, structure */
    uint64_t hits;       /* since it was built; sampled, so about right where it is large */
    uint64_t bytes;
    bool pinned; /* by an administrator */
    bool held;   /* by work in flight, or by those who loaded it */
} hologram_cached_program;

typedef struct hologram_cache_list {
    const hologram_cached_program *programs;
    uint32_t count;
    uint64_t position; /* where to go on; 0 = that was all */
} hologram_cache_list;

/* COUNT programs (0 = as the server likes) from POSITION on: 0, or what the last list says. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_cache_programs(hologram_client *client, const char *cache, uint64_t position,
                        uint32_t count, const hologram_cache_list **list);
/* The COUNT most used, best first. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cache_top(
    hologram_client *client, const char *cache, uint32_t count, const hologram_cache_list **list);
HOLOGRAM_API void hologram_cache_list_free(const hologram_cache_list *list);

typedef struct hologram_key_field {
    const char *name;
    const char *value;
} hologram_key_field;

typedef struct hologram_cache_shown {
    hologram_cached_program program;
    const hologram_key_field *fields; /* of the key, in words */
    uint32_t field_count;
    uint32_t instructions;
    uint32_t slots;
    uint32_t block;        /* lanes per block */
    const char *origin;    /* precompiled, built, or loaded */
    const char *executor;  /* what runs it */
    const char *isa_level; /* with which kernels */
    const char *code;      /* disassembly */
    bool withheld;         /* constants and code are for administrators */
    uint64_t native_bytes; /* of its native code; 0: it has none */
} hologram_cache_shown;

HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_cache_show(hologram_client *client, const char *key, const hologram_cache_shown **shown);
HOLOGRAM_API void hologram_cache_shown_free(const hologram_cache_shown *shown);

typedef struct hologram_cache_estimate {
    uint64_t entries;
    double hit_ratio; /* of all lookups, 0 to 1 */
} hologram_cache_estimate;

typedef struct hologram_cache_estimates {
    const hologram_cache_estimate *estimates;
    uint32_t count;
    uint64_t samples;     /* below some hundreds they say little */
    uint64_t entries_max; /* of the cache as it is */
} hologram_cache_estimates;

/* What caches of so many programs would have answered; without sizes, of 1/4 to 4 times as many as
 * there may be. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_cache_what_if(hologram_client *client, const uint64_t *entries, uint32_t count,
                       const hologram_cache_estimates **estimates);
HOLOGRAM_API void hologram_cache_estimates_free(const hologram_cache_estimates *estimates);

/* Administration: PERMISSION_DENIED for others. Flush drops the program of KEY, or if that is NULL
 * those of CACHE, but for pinned ones; *DROPPED (may be NULL) is their number. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cache_flush(hologram_client *client,
                                                                      const char *cache,
                                                                      const char *key,
                                                                      uint64_t *dropped);
/* Keeps a program from eviction and flush, or no longer. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cache_pin(hologram_client *client,
                                                                    const char *key, bool pinned);

typedef struct hologram_cache_keys {
    const void *data; /* a key file */
    size_t bytes;
} hologram_cache_keys;

/* The keys of what is cached, hottest first: for `hologram_cache_warm` and `make PROFILE=`. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status
hologram_cache_profile(hologram_client *client, const hologram_cache_keys **keys);
HOLOGRAM_API void hologram_cache_keys_free(const hologram_cache_keys *keys);
/* Has the programs of a key file built in the background. */
HOLOGRAM_API HOLOGRAM_MUST_CHECK hologram_status hologram_cache_warm(hologram_client *client,
                                                                     const void *data,
                                                                     size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
