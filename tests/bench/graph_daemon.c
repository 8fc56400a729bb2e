/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/graph_daemon.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hologram/hologram.h>

#include "tests/bench/bench.h"
#include "tests/bench/peers.h"

enum { PIXELS = 64, HIDDEN = 64, CLASSES = 10, ROUNDS = 21, IMAGES = 1797, TRAINED = 32 };

/* One request of the smallest network: about what it and its answer are on the wire. */
#define RAW_BYTES 128

static hologram_client *client;

static void check(hologram_status status)
{
    if (status != HOLOGRAM_OK) {
        (void)fprintf(stderr, "bench_graph: %s: %s\n", hologram_status_name(status),
                      hologram_last_error(client)->message);
        exit(1);
    }
}

/* A buffer of F32, ROWS x COLS or with no COLS a vector, with small values of both signs. */
static hologram_buffer make(uint64_t rows, uint64_t cols)
{
    hologram_buffer buffer = 0;
    const hologram_buffer_spec spec = {.dtype = HOLOGRAM_F32,
                                       .rank = cols == 0 ? 1 : 2,
                                       .shape = {rows, cols},
                                       .pool = HOLOGRAM_POOL_HEAP};
    const uint64_t count = rows * (cols == 0 ? 1 : cols);
    float *values = malloc(count * sizeof *values);
    if (values == NULL) {
        exit(1);
    }
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (float)((double)(i * 7919 % 1000) * 0.0002 - 0.1);
    }
    check(hologram_alloc(client, &spec, &buffer, NULL));
    check(hologram_write(client, buffer, 0, values, count * sizeof *values));
    free(values);
    return buffer;
}

static hologram_graph load(const char *text)
{
    const hologram_graph_source source = {.text = text};
    hologram_graph graph = 0;
    check(hologram_load_graph(client, &source, &graph, NULL));
    return graph;
}

/* ---- measuring ------------------------------------------------------------------------------- */

typedef void step_fn(void *context);

/* Something that is done again and again, and how often in a round. */
struct way {
    step_fn *step;
    void *context;
    unsigned times;
    double us[ROUNDS];
};

static double time_us(const struct way *way)
{
    uint64_t begin_ns = bench_now_ns();
    for (unsigned i = 0; i < way->times; i++) {
        way->step(way->context);
    }
    return (double)(bench_now_ns() - begin_ns) / 1000 / way->times;
}

/* All of WAYS in turn, so that a slow phase of the machine is everybody's. */
static void measure(struct way *ways, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ways[i].times = 20;
        double one_us = time_us(&ways[i]);
        ways[i].times = one_us < 20 ? 200 : (unsigned)(4000 / one_us) + 1;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < count; i++) {
            ways[i].us[round] = time_us(&ways[i]);
        }
    }
}

/* ---- a network ------------------------------------------------------------------------------- */

struct network {
    hologram_graph graph;
    hologram_buffer x, w1, b1, w2, b2, hidden, scores, p;
    hologram_batch *batch; /* of the six operations */
};

/* The six operations: INPUTS and an output each. */
#define OPERATIONS 6
static void list_calls(const struct network *network, hologram_buffer inputs[OPERATIONS][2],
                       hologram_call calls[OPERATIONS], hologram_buffer outputs[OPERATIONS])
{
    static const hologram_attribute by_class = {.name = "cols", .bits = CLASSES};
    static const char *const names[OPERATIONS] = {"gemm", "vector_add", "relu",
                                                  "gemm", "vector_add", "softmax"};
    const hologram_buffer operands[OPERATIONS][3] = {
        {network->x, network->w1, network->hidden},
        {network->hidden, network->b1, network->hidden},
        {network->hidden, 0, network->hidden},
        {network->hidden, network->w2, network->scores},
        {network->scores, network->b2, network->scores},
        {network->scores, 0, network->p},
    };
    for (unsigned i = 0; i < OPERATIONS; i++) {
        memcpy(inputs[i], operands[i], sizeof inputs[i]);
        outputs[i] = operands[i][2];
        calls[i] = (hologram_call){.op = names[i],
                                   .inputs = inputs[i],
                                   .input_count = inputs[i][1] == 0 ? 1 : 2,
                                   .outputs = &outputs[i],
                                   .output_count = 1,
                                   .attributes = &by_class,
                                   .attribute_count = i == OPERATIONS - 1 ? 1 : 0};
    }
}

static void open_network(struct network *network, uint64_t images)
{
    network->graph = load("p = softmax(relu(x @ w1 + b1) @ w2 + b2)");
    network->x = make(images, PIXELS);
    network->w1 = make(PIXELS, HIDDEN);
    network->b1 = make(HIDDEN, 0);
    network->w2 = make(HIDDEN, CLASSES);
    network->b2 = make(CLASSES, 0);
    network->hidden = make(images, HIDDEN);
    network->scores = make(images, CLASSES);
    network->p = make(images, CLASSES);
    hologram_buffer inputs[OPERATIONS][2];
    hologram_buffer outputs[OPERATIONS];
    hologram_call calls[OPERATIONS];
    list_calls(network, inputs, calls, outputs);
    check(hologram_batch_new(client, &network->batch));
    for (unsigned i = 0; i < OPERATIONS; i++) {
        check(hologram_batch_execute(network->batch, &calls[i]));
    }
}

static void run_request(void *context)
{
    const struct network *network = context;
    const hologram_graph_input inputs[] = {{"x", network->x},
                                           {"w1", network->w1},
                                           {"b1", network->b1},
                                           {"w2", network->w2},
                                           {"b2", network->b2}};
    hologram_graph_output output = {.name = "p", .buffer = network->p};
    hologram_graph_run run = {.graph = network->graph,
                              .inputs = inputs,
                              .input_count = 5,
                              .outputs = &output,
                              .output_count = 1};
    check(hologram_run_graph(client, &run));
}

static void run_pipelined(void *context)
{
    hologram_buffer inputs[OPERATIONS][2];
    hologram_buffer outputs[OPERATIONS];
    hologram_call calls[OPERATIONS];
    list_calls(context, inputs, calls, outputs);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        check(hologram_submit_execute(client, &calls[i], NULL, NULL));
    }
    check(hologram_wait_all(client));
}

static void run_batch(void *context)
{
    const struct network *network = context;
    check(hologram_batch_run(network->batch, NULL));
}

static void network_rows(uint64_t images, struct peer_link *raw)
{
    struct network network;
    open_network(&network, images);
    struct way ways[] = {{.step = run_request, .context = &network},
                         {.step = run_pipelined, .context = &network},
                         {.step = run_batch, .context = &network},
                         {.step = peer_exchange, .context = raw}};
    measure(ways, sizeof ways / sizeof ways[0]);
    static const char *const beside[] = {"six requests pipelined", "six operations in a batch"};
    double request_us = bench_median(ways[0].us, ROUNDS);
    char name[96];
    for (unsigned i = 0; i < 2; i++) {
        double us = bench_median(ways[i + 1].us, ROUNDS);
        (void)snprintf(name, sizeof name, "network of %d, one request vs %s", (int)images,
                       beside[i]);
        bench_row(name, request_us, "us", us, request_us / us);
    }
    if (images == 1) {
        double floor_us = bench_median(ways[3].us, ROUNDS) + 10;
        bench_row("network of 1 vs raw round trip + 10 us", request_us, "us", floor_us,
                  request_us / floor_us);
    }
    hologram_batch_free(&network.batch);
}

/* The server's own time from a request's names to its plan. */
static void lookup_row(void)
{
    enum { RUNS = 1001 };
    static double us[RUNS];
    struct network network;
    open_network(&network, 1);
    const hologram_graph_input inputs[] = {{"x", network.x},
                                           {"w1", network.w1},
                                           {"b1", network.b1},
                                           {"w2", network.w2},
                                           {"b2", network.b2}};
    hologram_graph_output output = {.name = "p", .buffer = network.p};
    hologram_graph_run run = {.graph = network.graph,
                              .inputs = inputs,
                              .input_count = 5,
                              .outputs = &output,
                              .output_count = 1};
    for (unsigned i = 0; i < RUNS; i++) {
        check(hologram_run_graph(client, &run));
        us[i] = (double)run.execution.lookup_ns / 1000;
    }
    bench_plain("plan by handle p50", bench_median(us, RUNS), "us");
    hologram_batch_free(&network.batch);
}

/* ---- training -------------------------------------------------------------------------------- */

#define TRAINING_INPUTS 8

struct training {
    hologram_graph graph;
    hologram_buffer rows;
    hologram_graph_input inputs[TRAINING_INPUTS];
    hologram_graph_output outputs[5];
};

/* The step of client/examples/train.py. */
static const char training_text[] =
    "x = images[rows]; t = targets[rows]; z = x @ w1 + b1; h = relu(z); p = softmax(h @ w2 + b2)\n"
    "loss = -sum(t * log(maximum(p, 1e-7))) / t.shape[0]; d2 = (p - t) / t.shape[0]\n"
    "d1 = where(z > 0, d2 @ w2.T, 0); w2 -= rate * (h.T @ d2); b2 -= rate * sum(d2, axis=0)\n"
    "w1 -= rate * (x.T @ d1); b1 -= rate * sum(d1, axis=0); return w1, b1, w2, b2, loss\n";

static void open_training(struct training *training)
{
    const hologram_buffer_spec rows = {.dtype = HOLOGRAM_I32, .rank = 1, .shape = {TRAINED}};
    const hologram_buffer_spec scalar = {.dtype = HOLOGRAM_F32};
    hologram_buffer rate = 0;
    hologram_buffer loss = 0;
    const float step = 1e-6F; /* thousands of steps on made-up images: no overflow */
    check(hologram_alloc(client, &rows, &training->rows, NULL));
    check(hologram_alloc(client, &scalar, &rate, NULL));
    check(hologram_alloc(client, &scalar, &loss, NULL));
    check(hologram_write(client, rate, 0, &step, sizeof step));
    const hologram_graph_input inputs[TRAINING_INPUTS] = {
        {"images", make(IMAGES, PIXELS)}, {"targets", make(IMAGES, CLASSES)},
        {"rows", training->rows},         {"rate", rate},
        {"w1", make(PIXELS, HIDDEN)},     {"b1", make(HIDDEN, 0)},
        {"w2", make(HIDDEN, CLASSES)},    {"b2", make(CLASSES, 0)}};
    memcpy(training->inputs, inputs, sizeof inputs);
    for (unsigned i = 0; i < 4; i++) {
        training->outputs[i] =
            (hologram_graph_output){.name = inputs[4 + i].name, .buffer = inputs[4 + i].buffer};
    }
    training->outputs[4] = (hologram_graph_output){.name = "loss", .buffer = loss};
    training->graph = load(training_text);
}

/* As a trainer does it: the numbers of its images travel, and then the step. */
static void train(void *context)
{
    struct training *training = context;
    static uint32_t turn;
    int32_t rows[TRAINED];
    hologram_ticket ticket;
    for (unsigned i = 0; i < TRAINED; i++) {
        rows[i] = (int32_t)((turn + i * 7919) % IMAGES);
    }
    turn++;
    hologram_graph_run run = {.graph = training->graph,
                              .inputs = training->inputs,
                              .input_count = TRAINING_INPUTS,
                              .outputs = training->outputs,
                              .output_count = 5};
    check(hologram_submit_write(client, training->rows, 0, rows, sizeof rows, NULL));
    check(hologram_submit_run_graph(client, &run, &ticket));
    check(hologram_wait(client, ticket));
}

static const char numpy_setup[] =
    "import numpy as np\n"
    "f = np.float32\n"
    "v = lambda *s: ((np.arange(np.prod(s)) * 7919 % 1000) * 0.0002 - 0.1).astype(f).reshape(s)\n"
    "images, targets, w1, b1, w2, b2 = v(1797, 64), v(1797, 10), v(64, 64), v(64), v(64, 10), "
    "v(10)\n"
    "rate, turn = f(1e-6), 0\n"
    "def step():\n"
    "    global turn\n"
    "    rows = (turn + np.arange(32) * 7919) % 1797\n"
    "    turn += 1\n"
    "    x, t = images[rows], targets[rows]\n"
    "    z = x @ w1 + b1\n"
    "    h = np.maximum(z, 0)\n"
    "    s = h @ w2 + b2\n"
    "    e = np.exp(s - s.max(axis=1, keepdims=True))\n"
    "    p = e / e.sum(axis=1, keepdims=True)\n"
    "    loss = -(t * np.log(np.maximum(p, 1e-7))).sum() / len(t)\n"
    "    d2 = (p - t) / f(len(t))\n"
    "    d1 = np.where(z > 0, d2 @ w2.T, 0)\n"
    "    w2[...] -= rate * (h.T @ d2)\n"
    "    b2[...] -= rate * d2.sum(axis=0)\n"
    "    w1[...] -= rate * (x.T @ d1)\n"
    "    b1[...] -= rate * d1.sum(axis=0)\n";

static const char torch_setup[] =
    "import torch\n"
    "torch.set_grad_enabled(True)\n"
    "v = lambda *s: (torch.arange(int(torch.tensor(s).prod())) * 7919 % 1000 * 0.0002 - 0.1"
    ").reshape(s)\n"
    "images, targets = v(1797, 64), v(1797, 10)\n"
    "weights = [w.requires_grad_() for w in (v(64, 64), v(64), v(64, 10), v(10))]\n"
    "turn = 0\n"
    "def step():\n"
    "    global turn\n"
    "    rows = (turn + torch.arange(32) * 7919) % 1797\n"
    "    turn += 1\n"
    "    w1, b1, w2, b2 = weights\n"
    "    x, t = images[rows], targets[rows]\n"
    "    p = torch.softmax(torch.relu(x @ w1 + b1) @ w2 + b2, 1)\n"
    "    loss = -(t * torch.log(p.clamp(min=1e-7))).sum() / len(t)\n"
    "    loss.backward()\n"
    "    with torch.no_grad():\n"
    "        for w in weights:\n"
    "            w -= 1e-6 * w.grad\n"
    "            w.grad = None\n";

static void training_rows(struct python_peer *peer)
{
    static const char *const names[] = {"numpy", "torch"};
    static const char *const setups[] = {numpy_setup, torch_setup};
    struct training training;
    struct way way = {.step = train, .context = &training, .times = 40};
    double peers_us[2][ROUNDS];
    int statements[2];
    open_training(&training);
    for (unsigned i = 0; i < 2; i++) {
        statements[i] = peer != NULL ? python_peer_add(peer, setups[i], "step()") : -1;
    }
    (void)time_us(&way);
    for (unsigned round = 0; round < ROUNDS; round++) {
        way.us[round] = time_us(&way);
        for (unsigned i = 0; i < 2; i++) {
            peers_us[i][round] =
                statements[i] >= 0 ? python_peer_time(peer, statements[i], way.times) / 1000 : 0;
        }
    }
    double ours_us = bench_median(way.us, ROUNDS);
    for (unsigned i = 0; i < 2; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "training step vs %s", names[i]);
        double us = bench_median(peers_us[i], ROUNDS);
        if (statements[i] >= 0) {
            bench_row(name, ours_us, "us", us, ours_us / us);
        }
    }
    if (statements[0] < 0 && statements[1] < 0) {
        bench_plain("training step", ours_us, "us");
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

static void connect_to(const char *path)
{
    const hologram_options options = {.socket_path = path};
    hologram_error error;
    if (hologram_connect(&options, &client, &error) != HOLOGRAM_OK) {
        (void)fprintf(stderr, "bench_graph: %s\n", error.message);
        exit(1);
    }
}

/* Client and servers on one core: the steadiest, what the exchange costs (README.md, regimes). */
static void measure_networks(const char *path)
{
    static const uint64_t images[] = {1, 16, 256};
    const struct peer_sizes sizes = {.request = RAW_BYTES, .response = RAW_BYTES};
    cpu_set_t before;
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    sched_getaffinity(0, sizeof before, &before);
    sched_setaffinity(0, sizeof here, &here);
    struct peer echo = peer_start_raw(sizes, false);
    struct peer_link raw = {.fd = echo.fds[0], .sizes = sizes, .window = 1};
    pid_t process = daemon_start(path, "");
    connect_to(path);
    for (unsigned i = 0; i < sizeof images / sizeof images[0]; i++) {
        network_rows(images[i], &raw);
    }
    lookup_row();
    hologram_close(&client);
    daemon_stop(process);
    peer_stop(&echo);
    sched_setaffinity(0, sizeof before, &before);
}

void bench_graph_daemon(struct python_peer *peer)
{
    char directory[64];
    char path[96];
    peer_directory_make(directory, sizeof directory);
    (void)snprintf(path, sizeof path, "%s/s", directory);
    measure_networks(path);
    pid_t process = daemon_start(path, "");
    connect_to(path);
    training_rows(peer);
    hologram_close(&client);
    daemon_stop(process);
    peer_directory_remove(directory);
}
