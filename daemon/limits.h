/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds that are not options: sizes of fixed tables and of what one request may cost to decode.
 */
#ifndef HG_DAEMON_LIMITS_H
#define HG_DAEMON_LIMITS_H

#define HG_PROTOCOL_VERSION_MIN 1
#define HG_PROTOCOL_VERSION_MAX 1

/* A message and its frame. Options may lower the first, never raise it. */
#define HG_MESSAGE_BYTES_MAX (1u << 20)
#define HG_CLIENT_NAME_MAX   64

/* What one message may hold once decoded: 65 KB of empty messages would otherwise become
 * megabytes. */
#define HG_DECODE_DEPTH_MAX    8
#define HG_DECODE_FIELDS_MAX   16384u
#define HG_DECODE_MESSAGES_MAX 4096u
#define HG_DECODE_ELEMENTS_MAX 65536u

/* A request's arena: what it decodes to, and its reply before it is encoded. */
#define HG_ARENA_CHUNK_BYTES 4096u
#define HG_ARENA_BYTES_MAX   (6u << 20)
/* Requests that need more get chunks up to this size the next time: a batch in one piece. */
#define HG_ARENA_CHUNK_BYTES_MAX 65536u
/* Idle requests that keep their arena's first chunk for the next one, and bytes of such chunks. */
#define HG_REQUESTS_KEPT_MAX       1024u
#define HG_REQUESTS_KEPT_BYTES_MAX (8u << 20)

#define HG_LISTED_BUFFERS_MAX 4096u
#define HG_LISTED_GRAPHS_MAX  1024u

/* A connection's receive buffer: its resting size, and what one read may bring. */
#define HG_RECEIVE_BYTES 16384u
/* Read results up to this size are copied behind their header; larger ones are sent from the
 * buffer itself. */
#define HG_COPY_BYTES_MAX 8192u
/* Of a batch's operations every so many-th is timed: the clock costs as much as a small one. */
#define HG_STEPS_PER_TIMED 8
/* Replies that are sent while further requests are at hand, so that the client works meanwhile. */
#define HG_REPLIES_PER_SEND 64
/* Replies of one turn that make a client one that pipelines. */
#define HG_PIPELINE_MIN 2
/* Pieces of one sendmsg. */
#define HG_SEND_PIECES_MAX 64
/* Connections taken from the kernel's queue per turn of the loop. */
#define HG_ACCEPTS_PER_TURN 32
#define HG_LISTEN_BACKLOG   1024
#define HG_LISTENERS_MAX    4

#define HG_CONFIG_BYTES_MAX (1u << 20)
#define HG_CONFIG_TEXT_MAX  127 /* characters of a text option */

#define HG_HTTP_REQUEST_BYTES_MAX 8192u

#endif
