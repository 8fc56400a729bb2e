/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way of runs of graphs, a part of codec_hot.c.
 *
 * Threads: any.
 */
#ifndef HG_DAEMON_CODEC_HOT_GRAPH_H
#define HG_DAEMON_CODEC_HOT_GRAPH_H

#include "daemon/codec_hot_wire.h"
#include "daemon/message.h"

/* Fill STEP from the body of a run, of a graph by its id or by its text. False: it is left to the
 * general way, as is every run that is wrong. */
HG_MUST_CHECK bool hg_codec_hot_run_graph(struct hot *hot, struct span span, struct hg_step *step);
HG_MUST_CHECK bool hg_codec_hot_eval(struct hot *hot, struct span span, struct hg_step *step);

#endif
