/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that we accepted and C core adopted: who is at the other end of a call.
 *
 * A call says "fd:N". N is a descriptor that we made for C core, which closes it only after the
 * connection's last call is freed, so as long as we hold a call its number is taken. Numbers also
 * rise, and one that is in the table is skipped: should C core ever close early, a late call would
 * find nobody rather than somebody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/transport/grpc_core.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Descriptors of C core lie above this share of what is allowed, and span this many numbers, so
 * that the kernel's table stays small. */
#define NUMBER_MIN_MAX 4096
#define NUMBER_SPAN    65536

/* ---- the table ----------------------------------------------------------------------------------
 */

void hg_grpc_connections_init(struct hg_grpc *grpc)
{
    struct hg_grpc_connections *table = &grpc->connections;
    struct rlimit limit;
    rlim_t allowed = 1024;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        allowed = limit.rlim_cur;
    }
    const rlim_t min = allowed / 4 < NUMBER_MIN_MAX ? allowed / 4 : NUMBER_MIN_MAX;
    const rlim_t max = allowed - min < NUMBER_SPAN ? allowed : min + NUMBER_SPAN;
    table->number_min = (int)min;
    table->number_next = (int)min;
    table->number_max = (int)max;
    table->remote =
        (struct hg_grpc_connection){.grpc = grpc, .fd = -1, .number = -1, .remote = true};
    table->remote.identity = (struct hg_identity){.uid = grpc->remote_uid, .gid = grpc->remote_gid};
}

static struct hg_grpc_connection *find(const struct hg_grpc_connections *table, int number)
{
    const int index = number - table->number_min;
    if (index < 0 || (size_t)index >= table->by_number_count) {
        return NULL;
    }
    return table->by_number[index];
}

static bool make_room(struct hg_grpc_connections *table, int number)
{
    const size_t wanted = (size_t)(number - table->number_min) + 1;
    if (wanted <= table->by_number_count) {
        return true;
    }
    const size_t count = wanted + wanted / 2 + 64;
    void *grown =
        hg_realloc(HG_TAG_TRANSPORT, table->by_number, count * sizeof(table->by_number[0]));
    if (grown == NULL) {
        return false;
    }
    table->by_number = grown;
    memset(table->by_number + table->by_number_count, 0,
           (count - table->by_number_count) * sizeof(table->by_number[0]));
    table->by_number_count = count;
    return true;
}

/* A duplicate of FD with a number that no connection in the table has; -1 with errno. */
static int duplicate(struct hg_grpc_connections *table, int fd)
{
    for (unsigned wraps = 0;;) {
        const int number = fcntl(fd, F_DUPFD_CLOEXEC, table->number_next);
        const bool past = number >= table->number_max;
        if (number < 0 && errno != EMFILE && errno != EINVAL) {
            return -1;
        }
        if (number >= 0 && !past && find(table, number) == NULL) {
            table->number_next = number + 1;
            return number;
        }
        if (number >= 0) {
            close(number);
        }
        if (number >= 0 && !past) {
            table->number_next = number + 1;
            continue;
        }
        /* The end of the range: once more from its beginning. */
        if (wraps++ != 0) {
            errno = EMFILE;
            return -1;
        }
        table->number_next = table->number_min;
    }
}

/* ---- the end of a connection --------------------------------------------------------------------
 */

static void free_connection(struct hg_grpc_connection *connection)
{
    struct hg_grpc_connections *table = &connection->grpc->connections;
    table->by_number[connection->number - table->number_min] = NULL;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        table->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    hg_free(HG_TAG_TRANSPORT, connection);
}

static void close_plain(struct hg_grpc_connection *connection)
{
    if (connection->plain != NULL) {
        hg_grpc_session_close(connection->plain);
        connection->plain = NULL;
    }
}

/* Either side has closed. Calls of it may still be in work. */
static void hang_up(struct hg_grpc_connection *connection)
{
    struct hg_server *server = connection->grpc->server;
    hg_watch_close(&connection->watch);
    close(connection->fd);
    connection->fd = -1;
    close_plain(connection);
    server->connection_count--;
    if (connection->calls == 0) {
        free_connection(connection);
    }
}

static void hangup_cb(void *context, unsigned events)
{
    (void)events;
    hang_up(context);
}

/* When a connection without a call has been so for too long. */
static uint64_t idle_end_ns(const struct hg_grpc_connection *connection)
{
    const uint64_t idle_ms = connection->grpc->server->config.timeouts_idle_ms;
    return idle_ms != 0 ? connection->idle_ns + idle_ms * HG_NS_PER_MS : UINT64_MAX;
}

void hg_grpc_connection_ref(struct hg_grpc_connection *connection)
{
    connection->calls++;
}

void hg_grpc_connection_unref(struct hg_grpc_connection *connection)
{
    connection->calls--;
    if (connection->calls == 0) {
        connection->idle_ns = hg_clock_now_ns();
        hg_server_due(connection->grpc->server, idle_end_ns(connection));
    }
    if (connection->calls == 0 && connection->fd < 0 &&
        connection != &connection->grpc->connections.remote) {
        free_connection(connection);
    }
}

uint64_t hg_grpc_connections_sweep(struct hg_grpc *grpc, uint64_t now_ns)
{
    uint64_t due_ns = UINT64_MAX;
    for (struct hg_grpc_connection *connection = grpc->connections.first; connection != NULL;
         connection = connection->next) {
        if (connection->calls != 0 || connection->fd < 0) {
            continue;
        }
        const uint64_t own_ns = idle_end_ns(connection);
        if (now_ns >= own_ns) {
            /* C core and we both see the end of the stream, each on its own descriptor. */
            (void)shutdown(connection->fd, SHUT_RDWR);
            hg_counter_add(&grpc->server->metrics.connections_timed_out, 1);
        } else if (own_ns < due_ns) {
            due_ns = own_ns;
        }
    }
    return due_ns;
}

void hg_grpc_connections_fini(struct hg_grpc *grpc)
{
    struct hg_grpc_connections *table = &grpc->connections;
    struct hg_grpc_connection *next;
    for (struct hg_grpc_connection *connection = table->first; connection != NULL;
         connection = next) {
        next = connection->next;
        HG_REQUIRE(connection->calls == 0);
        hang_up(connection);
    }
    close_plain(&table->remote);
    hg_free(HG_TAG_TRANSPORT, table->by_number);
    table->by_number = NULL;
    table->by_number_count = 0;
}

/* ---- the beginning ------------------------------------------------------------------------------
 */

bool hg_grpc_is_preface(const void *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const size_t length = sizeof(preface) - 1;
    return memcmp(data, preface, size < length ? size : length) == 0;
}

static void link_connection(struct hg_grpc_connection *connection)
{
    struct hg_grpc *grpc = connection->grpc;
    struct hg_grpc_connections *table = &grpc->connections;
    table->by_number[connection->number - table->number_min] = connection;
    connection->next = table->first;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    table->first = connection;
    grpc->server->connection_count++;
}

enum hg_status hg_grpc_adopt(struct hg_grpc *grpc, int fd, const struct hg_identity *identity,
                             struct hg_error *error)
{
    struct hg_grpc_connections *table = &grpc->connections;
    struct hg_grpc_connection *connection = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*connection));
    if (connection == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "connection: out of memory");
        goto close_fd;
    }
    connection->grpc = grpc;
    connection->fd = fd;
    connection->idle_ns = hg_clock_now_ns();
    connection->remote = identity == NULL;
    connection->identity = identity != NULL ? *identity : table->remote.identity;
    connection->number = duplicate(table, fd);
    if (connection->number < 0) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "connection: descriptor: %s", strerror(errno));
        goto free_memory;
    }
    if (!make_room(table, connection->number)) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "connection: out of memory");
        goto close_number;
    }
    if (hg_watch_create(grpc->server->loop, fd, hangup_cb, connection, &connection->watch, error) !=
        HG_OK) {
        goto close_number;
    }
    hg_watch_set(connection->watch, HG_WATCH_HANGUP);
    link_connection(connection);
    hg_server_due(grpc->server, idle_end_ns(connection));
    grpc_server_add_channel_from_fd(grpc->core, connection->number, grpc->insecure);
    return HG_OK;

close_number:
    close(connection->number);
free_memory:
    hg_free(HG_TAG_TRANSPORT, connection);
close_fd:
    close(fd);
    return error->status;
}

/* ---- whose call it is ---------------------------------------------------------------------------
 */

struct hg_grpc_connection *hg_grpc_connection_of(struct hg_grpc *grpc, grpc_call *call)
{
    char *peer = grpc_call_get_peer(call);
    struct hg_grpc_connection *connection = &grpc->connections.remote;
    if (strncmp(peer, "fd:", 3) == 0) {
        connection = find(&grpc->connections, (int)strtol(peer + 3, NULL, 10));
    }
    gpr_free(peer);
    return connection;
}

uint32_t hg_grpc_user_connections(const struct hg_grpc *grpc, uid_t uid)
{
    uint32_t count = 0;
    for (const struct hg_grpc_connection *connection = grpc->connections.first; connection != NULL;
         connection = connection->next) {
        count += connection->fd >= 0 && connection->identity.uid == uid;
    }
    return count;
}
