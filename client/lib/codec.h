/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the codec's files share: room for frames and steps, and the short way of the messages that
 * make up nearly all traffic (executes, pings, and their answers), which writes and reads the wire
 * format without generated structs. A test compares it with protobuf-c.
 */
#ifndef HG_CLIENT_LIB_CODEC_H
#define HG_CLIENT_LIB_CODEC_H

#include "client/lib/internal.h"
#include "proto/hologram/v1/hologram.pb-c.h"

/* Attributes and operands of one request; more than any operation has. */
#define HG_CLIENT_ATTRIBUTES_MAX 16u
#define HG_CLIENT_OPERANDS_MAX   16u

/* Queues a frame of MESSAGE_BYTES, for the caller to fill from what is given on, with COPY_BYTES of
 * room behind the message for a payload of PAYLOAD_BYTES. hg_client_queued(client, its whole size)
 * follows. NULL, with the client's error set, on failure. */
uint8_t *hg_client_put_frame(hologram_client *client, hologram_ticket ticket, size_t message_bytes,
                             uint64_t payload_bytes, size_t copy_bytes);
/* Adds a step of STEP_BYTES, which the caller fills. NULL, with the client's error set, on
 * failure. */
uint8_t *hg_client_add_step(hologram_client *client, struct hg_client_bytes *steps,
                            size_t step_bytes);
/* Refuses a message of more bytes than travel at once. */
hologram_status hg_client_check_size(hologram_client *client, size_t bytes);
/* Bodies that requests and steps share; they borrow what they are made from. */
Hologram__V1__Alloc hg_client_alloc_body(hologram_buffer buffer, const hologram_buffer_spec *spec);
Hologram__V1__RunProgram hg_client_run_body(const hologram_run *run);
/* Sets who asks: id, stream and timeout. */
void hg_client_address(const hologram_client *client, hologram_ticket ticket,
                       Hologram__V1__Request *message);
/* Addresses MESSAGE and queues it. */
hologram_status hg_client_put_message(hologram_client *client, hologram_ticket ticket,
                                      Hologram__V1__Request *message);
/* The same of BODY, which is of TYPE. Bodies are a union of pointers, read through the one that
 * TYPE names. */
hologram_status hg_client_put_body(hologram_client *client, hologram_ticket ticket,
                                   Hologram__V1__Request__BodyCase type, void *body);
/* The same as a step. */
hologram_status hg_client_step_body(hologram_client *client, struct hg_client_bytes *steps,
                                    Hologram__V1__Step__BodyCase type, void *body);
/* Refuses a call that names no operation or has too many attributes. */
hologram_status hg_client_check_call(hologram_client *client, const hologram_call *call);

/* The body of a successful reply, which has to be of TYPE. */
hologram_status hg_client_expect(const struct hg_client_reply *reply,
                                 Hologram__V1__Response__BodyCase type,
                                 const Hologram__V1__Response **response, hologram_error *error);
/* What the server says about a buffer, which has to make sense. */
hologram_status hg_client_fill_info(const Hologram__V1__BufferInfo *from,
                                    hologram_buffer_info *info, hologram_error *error);
/* Decodes an answer that is a success without a body, or with that of an execute or a complete
 * batch. False: it is something else, or there is no memory; client->arena is then to be reset. */
bool hg_client_decode_hot(hologram_client *client, const uint8_t *message, size_t bytes,
                          struct hg_client_reply *reply);

#endif
