/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of .npy files: any bytes are read or refused; what is read can be written and read again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[NPY_ERROR_MAX];
    size_t header_bytes = 0;
    struct npy npy = {.rank = 0};
    struct npy again = {.rank = 0};
    if (size < NPY_PREFIX_BYTES || !npy_header_bytes(data, &header_bytes, error) ||
        header_bytes > size || !npy_parse(data, header_bytes, &npy, error)) {
        return 0;
    }
    static uint8_t written[NPY_HEADER_BYTES_MAX];
    size_t length = npy_format(&npy, written);
    if (!npy_header_bytes(written, &header_bytes, error) || header_bytes != length ||
        !npy_parse(written, length, &again, error) || again.rank != npy.rank ||
        again.dtype != npy.dtype || again.data_bytes != npy.data_bytes ||
        memcmp(again.shape, npy.shape, npy.rank * sizeof npy.shape[0]) != 0) {
        abort();
    }
    return 0;
}
