/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of files, and a bar for those who wait for them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define QUIET_NS    1000000000u /* nothing is shown for this long */
#define REDRAW_NS   100000000u
#define BAR_COLUMNS 30
#define CHUNK_BYTES ((size_t)4 << 20)

void cli_progress_start(struct cli_progress *progress, const char *label, uint64_t total_bytes)
{
    *progress =
        (struct cli_progress){.label = label, .total_bytes = total_bytes, .start_ns = cli_now_ns()};
}

void cli_progress_show(struct cli_progress *progress, uint64_t done_bytes)
{
    uint64_t now_ns = cli_now_ns();
    if (now_ns - progress->start_ns < QUIET_NS || now_ns - progress->shown_ns < REDRAW_NS ||
        progress->total_bytes == 0 || !isatty(STDERR_FILENO)) {
        return;
    }
    char done[CLI_TEXT_MAX];
    char rate[CLI_TEXT_MAX];
    double part = (double)done_bytes / (double)progress->total_bytes;
    double seconds = (double)(now_ns - progress->start_ns) / 1e9;
    int filled = (int)(part * BAR_COLUMNS);
    fprintf(stderr, "\r%s [", progress->label);
    for (int i = 0; i < BAR_COLUMNS; i++) {
        fputc(i < filled ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %3.0f %%  %s  %s/s\033[K", part * 100, cli_bytes_text(done_bytes, done),
            cli_bytes_text((uint64_t)((double)done_bytes / seconds), rate));
    fflush(stderr);
    progress->shown_ns = now_ns;
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown_ns != 0) {
        fputs("\r\033[K", stderr);
        progress->shown_ns = 0;
    }
}

int cli_read_file(int fd, void *data, size_t size, size_t *done)
{
    *done = 0;
    while (*done < size) {
        ssize_t count = read(fd, (uint8_t *)data + *done, size - *done);
        if (count == 0) {
            return 0;
        }
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count > 0) {
            *done += (size_t)count;
        }
    }
    return 0;
}

int cli_write_file(int fd, const void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = write(fd, (const uint8_t *)data + done, size - done);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        if (count > 0) {
            done += (size_t)count;
        }
    }
    return 0;
}

int cli_fail_file(const char *path, int failure)
{
    return cli_fail(CLI_FILE, "%s: %s", path,
                    failure == 0 ? "the file ends early" : strerror(failure));
}

int cli_move(const struct cli_move *move, uint64_t bytes, cli_move_fn *move_piece)
{
    uint8_t *chunk = move->memory ? NULL : malloc(CHUNK_BYTES);
    if (!move->memory && !chunk) {
        return cli_fail(CLI_FILE, "out of memory");
    }
    struct cli_progress progress;
    cli_progress_start(&progress, move->name, bytes);
    int code = CLI_OK;
    for (uint64_t offset = 0; code == CLI_OK && offset < bytes;) {
        size_t part = bytes - offset < CHUNK_BYTES ? (size_t)(bytes - offset) : CHUNK_BYTES;
        code = move_piece(move, offset, move->memory ? move->memory + offset : chunk, part);
        offset += part;
        cli_progress_show(&progress, offset);
    }
    cli_progress_end(&progress);
    free(chunk);
    return code;
}

/* ---- whole files ----------------------------------------------------------------------------- */

int cli_read_whole(const char *path, uint8_t **data, size_t *size)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cli_fail_file(path, errno);
    }
    uint8_t *bytes = malloc(CLI_INPUT_BYTES_MAX + 1);
    int code = bytes ? cli_read_file(fd, bytes, CLI_INPUT_BYTES_MAX + 1, size) : ENOMEM;
    if (fd != STDIN_FILENO) {
        close(fd);
    }
    if (code != 0 || *size > CLI_INPUT_BYTES_MAX) {
        free(bytes);
        return cli_fail_file(path, code != 0 ? code : EFBIG);
    }
    *data = bytes;
    return CLI_OK;
}

int cli_write_whole(const char *path, const void *data, size_t size)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return cli_fail_file(path, errno);
    }
    int code = cli_write_file(fd, data, size);
    if (!standard && close(fd) != 0 && code == 0) {
        code = errno;
    }
    return code == 0 ? CLI_OK : cli_fail_file(path, code);
}
