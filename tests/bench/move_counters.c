/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/move_counters.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/peers.h"

#define METRICS_BYTES_MAX ((size_t)1 << 20)

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* Field 10 of proc(5)'s stat, the eighth behind the name, which may contain anything. */
static double minor_faults(pid_t process)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        die("no /proc entry of a process that is being measured");
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 10; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        die("expected minor faults in /proc/PID/stat");
    }
    return (double)strtoull(at, NULL, 10);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static int connect_url(const char *url)
{
    static const char scheme[] = "http://";
    char address[64] = "";
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *host = url + sizeof scheme - 1;
    const size_t length = strncmp(url, scheme, sizeof scheme - 1) == 0 ? strcspn(host, ":") : 0;
    if (length == 0 || length >= sizeof address || host[length] != ':') {
        die("expected the metrics at http://address:port/");
    }
    memcpy(address, host, length);
    to.sin_port = htons((uint16_t)strtoul(host + length + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("cannot connect to the metrics");
    }
    return fd;
}

static void fetch(const char *url, char *text, size_t size)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    int fd = connect_url(url);
    size_t have = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1) {
        die("cannot ask for the metrics");
    }
    while (have < size - 1) {
        ssize_t count = recv(fd, text + have, size - 1 - have, 0);
        if (count <= 0) {
            break;
        }
        have += (size_t)count;
    }
    text[have] = '\0';
    close(fd);
}

static double find_metric(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (at == NULL) {
        die("expected the bytes of the sockets among the metrics");
    }
    return strtod(at + strlen(line), NULL);
}

static double socket_bytes(const char *url)
{
    static char text[METRICS_BYTES_MAX];
    fetch(url, text, sizeof text);
    return find_metric(text, "\nhologram_received_bytes_total ") +
           find_metric(text, "\nhologram_sent_bytes_total ");
}

/* ---- all ------------------------------------------------------------------------------------- */

struct move_counters move_counters_read(pid_t server, const char *metrics_url)
{
    return (struct move_counters){
        .socket_bytes = metrics_url != NULL ? socket_bytes(metrics_url) : 0,
        .client_faults = minor_faults(getpid()),
        .server_faults = minor_faults(server),
        .client_cpu_ms = (double)process_cpu_ns(getpid()) / 1e6,
        .server_cpu_ms = (double)process_cpu_ns(server) / 1e6,
    };
}

struct move_counters move_counters_since(struct move_counters now, struct move_counters before)
{
    return (struct move_counters){
        .socket_bytes = now.socket_bytes - before.socket_bytes,
        .client_faults = now.client_faults - before.client_faults,
        .server_faults = now.server_faults - before.server_faults,
        .client_cpu_ms = now.client_cpu_ms - before.client_cpu_ms,
        .server_cpu_ms = now.server_cpu_ms - before.server_cpu_ms,
    };
}
