/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4): names users' programs by their content, so that nobody can plant a program
 * under another's name.
 *
 * Threads: values.
 */
#ifndef HG_LIB_ENGINE_SHA256_H
#define HG_LIB_ENGINE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HG_SHA256_BYTES 32

void hg_sha256(const void *data, size_t size, uint8_t digest[HG_SHA256_BYTES]);

#endif
