/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS port, which C core opens itself, and its certificates.
 *
 * C core asks for certificates at every handshake, on threads of its own; what it gets is what was
 * last read from the files, at start or on SIGHUP.
 */
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_security.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/transport/grpc_core.h"
#include "lib/base/check.h"
#include "lib/base/log.h"

/* A certificate with its chain, a key, or a bundle of authorities. */
#define PEM_BYTES_MAX (1u << 20)

struct pem {
    char *certificate;
    char *key;
    char *authorities; /* who may sign clients' certificates; NULL: clients need none */
};

struct hg_grpc_tls {
    struct hg_mutex lock;
    struct pem pem;           /* under the lock */
    uint64_t generation;      /* under the lock */
    uint64_t generation_used; /* under the lock: what C core has */
};

/* ---- files --------------------------------------------------------------------------------------
 */

static void free_text(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        hg_free(HG_TAG_TRANSPORT, *text);
        *text = NULL;
    }
}

static void free_pem(struct pem *pem)
{
    free_text(&pem->certificate);
    free_text(&pem->key);
    free_text(&pem->authorities);
}

static enum hg_status read_all(int fd, char *text, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(fd, text + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return HG_DATA_LOSS;
        }
        done += (size_t)got;
    }
    return HG_OK;
}

static enum hg_status read_pem(const char *option, const char *path, char **text,
                               struct hg_error *error)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "grpc.%s: %s: %s", option, path, strerror(errno));
        goto close_fd;
    }
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > PEM_BYTES_MAX) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "grpc.%s: %s: expected a file of 1 to %u bytes",
                      option, path, PEM_BYTES_MAX);
        goto close_fd;
    }
    const size_t size = (size_t)status.st_size;
    char *bytes = hg_malloc(HG_TAG_TRANSPORT, size + 1);
    if (bytes == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "grpc.%s: out of memory", option);
        goto close_fd;
    }
    if (read_all(fd, bytes, size) != HG_OK) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "grpc.%s: %s: read failed", option, path);
        hg_free(HG_TAG_TRANSPORT, bytes);
        goto close_fd;
    }
    bytes[size] = '\0';
    *text = bytes;
close_fd:
    if (fd >= 0) {
        close(fd);
    }
    return error->status;
}

static enum hg_status load(const struct hg_config *config, struct pem *pem, struct hg_error *error)
{
    if (read_pem("tls_cert", config->grpc_tls_cert, &pem->certificate, error) != HG_OK ||
        read_pem("tls_key", config->grpc_tls_key, &pem->key, error) != HG_OK) {
        return error->status;
    }
    if (config->grpc_tls_client_ca[0] != '\0') {
        return read_pem("tls_client_ca", config->grpc_tls_client_ca, &pem->authorities, error);
    }
    return HG_OK;
}

/* ---- certificates -------------------------------------------------------------------------------
 */

/* Threads of C core. */
static grpc_ssl_certificate_config_reload_status
fetch_cb(void *context, grpc_ssl_server_certificate_config **config)
{
    struct hg_grpc_tls *tls = context;
    grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    hg_mutex_lock(&tls->lock);
    if (tls->generation_used != tls->generation) {
        const grpc_ssl_pem_key_cert_pair pair = {tls->pem.key, tls->pem.certificate};
        /* C core 1.51 insists on authorities even where no client is asked for a certificate. */
        const char *roots =
            tls->pem.authorities != NULL ? tls->pem.authorities : tls->pem.certificate;
        *config = grpc_ssl_server_certificate_config_create(roots, &pair, 1);
        tls->generation_used = tls->generation;
        status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }
    hg_mutex_unlock(&tls->lock);
    return status;
}

void hg_grpc_tls_reload(struct hg_grpc *grpc)
{
    struct hg_grpc_tls *tls = grpc->tls;
    struct pem fresh = {0};
    struct hg_error error = HG_ERROR_INIT;
    if (tls == NULL) {
        return;
    }
    if (load(&grpc->server->config, &fresh, &error) != HG_OK) {
        HG_LOG_ERROR(LISTENER, "certificates not reloaded", HG_STR("reason", error.message));
        free_pem(&fresh);
        return;
    }
    hg_mutex_lock(&tls->lock);
    const struct pem old = tls->pem;
    tls->pem = fresh;
    tls->generation++;
    hg_mutex_unlock(&tls->lock);
    fresh = old;
    free_pem(&fresh);
    HG_LOG_INFO(LISTENER, "certificates reloaded");
}

/* ---- the port -----------------------------------------------------------------------------------
 */

static enum hg_status open_port(struct hg_grpc *grpc, struct hg_error *error)
{
    const struct hg_config *config = &grpc->server->config;
    grpc_ssl_server_credentials_options *options =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            grpc->tls->pem.authorities != NULL
                ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            fetch_cb, grpc->tls);
    grpc_server_credentials *credentials = grpc_ssl_server_credentials_create_with_options(options);
    if (credentials == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "grpc.tls_cert, grpc.tls_key: not usable");
    }
    const int port = grpc_server_add_http2_port(grpc->core, config->grpc_tls_listen, credentials);
    grpc_server_credentials_release(credentials);
    if (port == 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "grpc.tls_listen: %s: no port with this address, certificate and key",
                       config->grpc_tls_listen);
    }
    HG_LOG_INFO(LISTENER, "listening", HG_STR("tls", config->grpc_tls_listen),
                HG_U64("port", (uint64_t)port),
                HG_STR("clients", grpc->tls->pem.authorities != NULL ? "certified" : "anyone"));
    return HG_OK;
}

enum hg_status hg_grpc_tls_start(struct hg_grpc *grpc, struct hg_error *error)
{
    struct hg_grpc_tls *tls = hg_calloc(HG_TAG_TRANSPORT, 1, sizeof(*tls));
    if (tls == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "grpc.tls_listen: out of memory");
    }
    hg_mutex_init(&tls->lock, HG_RANK_LOOP);
    tls->generation = 1;
    grpc->tls = tls;
    if (load(&grpc->server->config, &tls->pem, error) != HG_OK) {
        return error->status;
    }
    return open_port(grpc, error);
}

void hg_grpc_tls_stop(struct hg_grpc *grpc)
{
    struct hg_grpc_tls *tls = grpc->tls;
    if (tls != NULL) {
        free_pem(&tls->pem);
        hg_mutex_fini(&tls->lock);
        hg_free(HG_TAG_TRANSPORT, tls);
        grpc->tls = NULL;
    }
}
