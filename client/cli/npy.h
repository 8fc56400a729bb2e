/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of NumPy's .npy format (numpy.lib.format, versions 1.0 to 3.0): element type and shape
 * of a row-major, little-endian array. bf16 has no code of its own and travels as uint16.
 *
 * Threads: values.
 */
#ifndef HG_CLIENT_CLI_NPY_H
#define HG_CLIENT_CLI_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/include/hologram/hologram.h"

#define NPY_PREFIX_BYTES     12u /* tells how long the header is; version 1.0 needs 10 */
#define NPY_HEADER_BYTES_MAX 16384u
#define NPY_ERROR_MAX        160

struct npy {
    hologram_dtype dtype;
    uint32_t rank;
    uint64_t shape[HOLOGRAM_RANK_MAX];
    uint64_t data_bytes;
};

/* From the first NPY_PREFIX_BYTES of a file: where the data starts. False with a text in ERROR. */
bool npy_header_bytes(const uint8_t prefix[NPY_PREFIX_BYTES], size_t *header_bytes,
                      char error[NPY_ERROR_MAX]);
/* Reads a whole header of HEADER_BYTES bytes. False with a text in ERROR. */
bool npy_parse(const uint8_t *header, size_t header_bytes, struct npy *npy,
               char error[NPY_ERROR_MAX]);
/* Writes the header for NPY (data_bytes is not used) and gives its length; HEADER has room for
 * NPY_HEADER_BYTES_MAX. */
size_t npy_format(const struct npy *npy, uint8_t *header);

#endif
