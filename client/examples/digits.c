/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classifies handwritten digits with a two-layer network that the daemon holds:
 *
 *     p = softmax(relu(x·w1 + b1)·w2 + b2)
 *
 * Expects the named buffers digits/images (u8, n × 64, 0..16), digits/labels (u8, n), digits/w1,
 * digits/b1, digits/w2 and digits/b2 (f32); `hologramctl put --constant` makes them from .npy
 * files, once and for all clients. Every fourth image was held out when the network was trained:
 * their accuracy is the last line.
 *
 * Each batch of images is one flight of requests (write, the operations, read) that travel
 * together; the daemon runs them in order. Twice: each layer as the operations that it is made of,
 * then each as one `linear`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hologram/hologram.h>

#define PIXELS  64
#define CLASSES 10
#define BATCH   32
#define DRAWN   4

struct network {
    hologram_client *client;
    hologram_buffer w1, b1, w2, b2;
    hologram_buffer x, hidden, scores, p;
    uint64_t hidden_units;
};

struct digits {
    uint64_t count;
    uint8_t *pixels; /* count × 64 */
    uint8_t *labels;
    uint8_t *predicted;
};

static void check(hologram_client *client, hologram_status status, const char *what)
{
    if (status != HOLOGRAM_OK) {
        const hologram_error *error = hologram_last_error(client);
        fprintf(stderr, "digits: %s: %s: %s\n", what, hologram_status_name(status),
                error != NULL ? error->message : "");
        exit(1);
    }
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL) {
        perror("digits");
        exit(1);
    }
    return memory;
}

static hologram_buffer open_named(hologram_client *client, const char *name,
                                  hologram_buffer_info *info)
{
    hologram_buffer buffer = 0;
    check(client, hologram_open(client, name, false, &buffer, info), name);
    return buffer;
}

static uint8_t *read_bytes(hologram_client *client, const char *name, hologram_buffer_info *info)
{
    hologram_buffer buffer = open_named(client, name, info);
    uint8_t *bytes = allocate(info->bytes);
    check(client, hologram_read(client, buffer, 0, bytes, info->bytes), name);
    return bytes;
}

static void load(struct network *network, struct digits *digits)
{
    hologram_client *client = network->client;
    hologram_buffer_info info;
    digits->pixels = read_bytes(client, "digits/images", &info);
    digits->count = info.bytes / PIXELS;
    digits->labels = read_bytes(client, "digits/labels", &info);
    digits->predicted = allocate(digits->count);
    network->w1 = open_named(client, "digits/w1", &info);
    network->hidden_units = info.spec.shape[1];
    network->b1 = open_named(client, "digits/b1", &info);
    network->w2 = open_named(client, "digits/w2", &info);
    network->b2 = open_named(client, "digits/b2", &info);
    check(client, hologram_alloc_matrix(client, HOLOGRAM_F32, BATCH, PIXELS, &network->x), "x");
    check(
        client,
        hologram_alloc_matrix(client, HOLOGRAM_F32, BATCH, network->hidden_units, &network->hidden),
        "hidden");
    check(client, hologram_alloc_matrix(client, HOLOGRAM_F32, BATCH, CLASSES, &network->scores),
          "scores");
    check(client, hologram_alloc_matrix(client, HOLOGRAM_F32, BATCH, CLASSES, &network->p), "p");
}

/* An operation of up to three inputs (0: none), with an attribute if NAME is one. */
static void submit(struct network *network, const char *op, const hologram_buffer inputs[3],
                   hologram_buffer out, const char *name, uint64_t value)
{
    const hologram_attribute attribute = {.name = name, .bits = value};
    const hologram_call call = {
        .op = op,
        .inputs = inputs,
        .input_count = inputs[1] == 0   ? 1
                       : inputs[2] == 0 ? 2
                                        : 3,
        .outputs = &out,
        .output_count = 1,
        .attributes = &attribute,
        .attribute_count = name != NULL ? 1 : 0,
    };
    check(network->client, hologram_submit_execute(network->client, &call, NULL, NULL), op);
}
#define INPUTS(...) ((const hologram_buffer[3]){__VA_ARGS__})

/* Each layer as the operations that it is made of: six requests. */
static void submit_steps(struct network *network)
{
    hologram_buffer hidden = network->hidden;
    hologram_buffer scores = network->scores;
    submit(network, "gemm", INPUTS(network->x, network->w1), hidden, NULL, 0);
    submit(network, "vector_add", INPUTS(hidden, network->b1), hidden, NULL, 0);
    submit(network, "relu", INPUTS(hidden), hidden, NULL, 0);
    submit(network, "gemm", INPUTS(hidden, network->w2), scores, NULL, 0);
    submit(network, "vector_add", INPUTS(scores, network->b2), scores, NULL, 0);
    submit(network, "softmax", INPUTS(scores), network->p, "cols", CLASSES);
}

/* Each layer as one operation: three requests. */
static void submit_layers(struct network *network)
{
    hologram_buffer hidden = network->hidden;
    hologram_buffer scores = network->scores;
    submit(network, "linear", INPUTS(network->x, network->w1, network->b1), hidden, "relu", 1);
    submit(network, "linear", INPUTS(hidden, network->w2, network->b2), scores, NULL, 0);
    submit(network, "softmax", INPUTS(scores), network->p, "cols", CLASSES);
}

typedef void submit_fn(struct network *network);

/* P gets BATCH × CLASSES probabilities for X, BATCH × PIXELS. */
static void classify(struct network *network, submit_fn *submit_all, const float *x, float *p)
{
    hologram_client *client = network->client;
    check(client,
          hologram_submit_write(client, network->x, 0, x, sizeof(float) * BATCH * PIXELS, NULL),
          "write");
    submit_all(network);
    check(client,
          hologram_submit_read(client, network->p, 0, p, sizeof(float) * BATCH * CLASSES, NULL),
          "read");
    check(client, hologram_wait_all(client), "classify");
}

static uint8_t most_likely(const float *p)
{
    uint8_t best = 0;
    for (uint8_t class = 1; class < CLASSES; class ++) {
        if (p[class] > p[best]) {
            best = class;
        }
    }
    return best;
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Fills digits->predicted; gives microseconds per batch. */
static double classify_all(struct network *network, submit_fn *submit_all, struct digits *digits)
{
    static float x[BATCH * PIXELS];
    static float p[BATCH * CLASSES];
    double spent_us = 0;
    uint64_t batches = 0;
    for (uint64_t first = 0; first < digits->count; first += BATCH) {
        uint64_t rows = digits->count - first < BATCH ? digits->count - first : BATCH;
        for (uint64_t i = 0; i < rows * PIXELS; i++) {
            x[i] = (float)digits->pixels[first * PIXELS + i] / 16.0f;
        }
        double start = now_us();
        classify(network, submit_all, x, p);
        spent_us += now_us() - start;
        batches++;
        for (uint64_t row = 0; row < rows; row++) {
            digits->predicted[first + row] = most_likely(p + row * CLASSES);
        }
    }
    return spent_us / (double)batches;
}

static int held_out(uint64_t index)
{
    return index % 4 == 3;
}

static double accuracy(const struct digits *digits, int of_held_out)
{
    uint64_t right = 0;
    uint64_t total = 0;
    for (uint64_t i = 0; i < digits->count; i++) {
        if (held_out(i) == of_held_out) {
            total++;
            right += digits->predicted[i] == digits->labels[i];
        }
    }
    return (double)right / (double)total;
}

/* The first few held-out images side by side, with what the network takes them for. */
static void draw(const struct digits *digits)
{
    static const char shades[] = " .:-=+*#%@";
    for (int row = 0; row < 8; row++) {
        for (uint64_t image = 0; image < DRAWN; image++) {
            const uint8_t *line = digits->pixels + (image * 4 + 3) * PIXELS + row * 8;
            for (int column = 0; column < 8; column++) {
                char shade = shades[line[column] * 9 / 16];
                putchar(shade);
                putchar(shade);
            }
            printf("  ");
        }
        putchar('\n');
    }
    for (uint64_t image = 0; image < DRAWN; image++) {
        uint64_t index = image * 4 + 3;
        printf("   taken for %u    ", digits->predicted[index]);
    }
    printf("\n\n");
}

int main(void)
{
    struct network network = {0};
    struct digits digits = {0};
    hologram_error error;
    if (hologram_connect(NULL, &network.client, &error) != HOLOGRAM_OK) {
        fprintf(stderr, "digits: %s\n", error.message);
        return 1;
    }
    load(&network, &digits);
    double first_us = classify_all(&network, submit_steps, &digits);
    double steps_us = classify_all(&network, submit_steps, &digits);
    (void)classify_all(&network, submit_layers, &digits);
    double layers_us = classify_all(&network, submit_layers, &digits);
    draw(&digits);
    printf("%d images a batch; layers as gemm, vector_add and relu, 8 requests: %.1f us per batch "
           "(first pass %.1f us)\n",
           BATCH, steps_us, first_us);
    printf("layers as linear, 5 requests: %.1f us per batch, %.2f of that\n", layers_us,
           layers_us / steps_us);
    printf("train accuracy: %.3f\n", accuracy(&digits, 0));
    printf("test accuracy: %.3f\n", accuracy(&digits, 1));
    free(digits.pixels);
    free(digits.labels);
    free(digits.predicted);
    hologram_close(&network.client);
    return 0;
}
