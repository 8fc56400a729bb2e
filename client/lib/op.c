/* SPDX-License-Identifier: Apache-2.0 */
/* One function per operation: each fills a call and executes it. */
#include "client/lib/internal.h"

#define OPERANDS_MAX   4
#define ATTRIBUTES_MAX 8

/* A call being put together. A failure on the way stays in `status`. */
struct op_call {
    hologram_client *client;
    hologram_status status;
    hologram_call call;
    hologram_buffer operands[OPERANDS_MAX]; /* inputs, then outputs */
    hologram_attribute attributes[ATTRIBUTES_MAX];
};

static void start(struct op_call *op, hologram_client *client, const char *name,
                  uint32_t input_count)
{
    op->client = client;
    op->status = HOLOGRAM_OK;
    op->call = (hologram_call){.op = name,
                               .inputs = op->operands,
                               .input_count = input_count,
                               .outputs = op->operands + input_count,
                               .output_count = 1,
                               .attributes = op->attributes};
}

static void bits(struct op_call *op, const char *name, uint64_t value)
{
    op->attributes[op->call.attribute_count++] = (hologram_attribute){.name = name, .bits = value};
}

static void size(struct op_call *op, const char *name, uint64_t value)
{
    if (value != HOLOGRAM_AUTO) {
        bits(op, name, value);
    }
}

static void scalar(struct op_call *op, const char *name, hologram_dtype dtype, double value)
{
    uint64_t pattern;
    if (!hologram_bits_from_double(dtype, value, &pattern)) {
        op->status = hg_client_fail(op->client, HOLOGRAM_INVALID_ARGUMENT,
                                    "%s: %s: expected a value of type %s, got %.17g", op->call.op,
                                    name, hologram_dtype_name(dtype), value);
        return;
    }
    bits(op, name, pattern);
}

/* Type of the first operand. Of a buffer that this client does not know, F32: the server will say
 * NOT_FOUND. */
static hologram_dtype first_dtype(const struct op_call *op)
{
    hologram_dtype dtype = hg_client_dtype(op->client, op->operands[0]);
    return dtype == 0 ? HOLOGRAM_F32 : dtype;
}

/* A scalar of the first operand's type. */
static void operand_scalar(struct op_call *op, const char *name, double value)
{
    scalar(op, name, first_dtype(op), value);
}

/* A scalar of the type that the operation computes in: F32 for all but F64. */
static void wide_scalar(struct op_call *op, const char *name, double value)
{
    scalar(op, name, first_dtype(op) == HOLOGRAM_F64 ? HOLOGRAM_F64 : HOLOGRAM_F32, value);
}

static hologram_status run(struct op_call *op)
{
    return op->status == HOLOGRAM_OK ? hologram_execute(op->client, &op->call, NULL) : op->status;
}

/* ---- operands and sizes only ----------------------------------------------------------------- */

static hologram_status unary(hologram_client *client, const char *name, hologram_buffer a,
                             hologram_buffer c, uint64_t n)
{
    struct op_call op = {.operands = {a, c}};
    start(&op, client, name, 1);
    size(&op, "n", n);
    return run(&op);
}

static hologram_status binary(hologram_client *client, const char *name, hologram_buffer a,
                              hologram_buffer b, hologram_buffer c, uint64_t n)
{
    struct op_call op = {.operands = {a, b, c}};
    start(&op, client, name, 2);
    size(&op, "n", n);
    return run(&op);
}

static hologram_status reduce(hologram_client *client, const char *name, hologram_buffer a,
                              hologram_buffer out, uint64_t n, uint64_t cols)
{
    struct op_call op = {.operands = {a, out}};
    start(&op, client, name, 1);
    size(&op, "n", n);
    size(&op, "cols", cols);
    return run(&op);
}

#define UNARY(name)                                                                                \
    hologram_status hologram_##name(hologram_client *client, hologram_buffer a, hologram_buffer c, \
                                    uint64_t n)                                                    \
    {                                                                                              \
        return unary(client, #name, a, c, n);                                                      \
    }
#define BINARY(name)                                                                               \
    hologram_status hologram_##name(hologram_client *client, hologram_buffer a, hologram_buffer b, \
                                    hologram_buffer c, uint64_t n)                                 \
    {                                                                                              \
        return binary(client, #name, a, b, c, n);                                                  \
    }
#define REDUCE(name)                                                                               \
    hologram_status hologram_##name(hologram_client *client, hologram_buffer a,                    \
                                    hologram_buffer out, uint64_t n, uint64_t cols)                \
    {                                                                                              \
        return reduce(client, #name, a, out, n, cols);                                             \
    }

BINARY(vector_add)
BINARY(vector_sub)
BINARY(vector_mul)
BINARY(vector_div)
BINARY(min)
BINARY(max)
BINARY(mse)
BINARY(pow)
BINARY(equal)
BINARY(not_equal)
BINARY(less)
BINARY(less_equal)
BINARY(greater)
BINARY(greater_equal)
UNARY(abs)
UNARY(neg)
UNARY(relu)
UNARY(sigmoid)
UNARY(tanh)
UNARY(gelu)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(exp)
UNARY(log)
UNARY(log2)
UNARY(log10)
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(erf)
UNARY(copy)
REDUCE(sum)
REDUCE(reduce_min)
REDUCE(reduce_max)
REDUCE(mean)
REDUCE(var)
REDUCE(argmax)

hologram_status hologram_where(hologram_client *client, hologram_buffer cond, hologram_buffer a,
                               hologram_buffer b, hologram_buffer c, uint64_t n)
{
    struct op_call op = {.operands = {cond, a, b, c}};
    start(&op, client, "where", 3);
    size(&op, "n", n);
    return run(&op);
}

hologram_status hologram_sum_axis(hologram_client *client, hologram_buffer a, hologram_buffer out,
                                  uint64_t n, uint64_t length, uint64_t inner)
{
    struct op_call op = {.operands = {a, out}};
    start(&op, client, "sum_axis", 1);
    size(&op, "n", n);
    size(&op, "length", length);
    size(&op, "inner", inner);
    return run(&op);
}

hologram_status hologram_transpose(hologram_client *client, hologram_buffer a, hologram_buffer out,
                                   uint64_t rows, uint64_t cols)
{
    struct op_call op = {.operands = {a, out}};
    start(&op, client, "transpose", 1);
    size(&op, "rows", rows);
    size(&op, "cols", cols);
    return run(&op);
}

hologram_status hologram_concat(hologram_client *client, hologram_buffer a, hologram_buffer b,
                                hologram_buffer out, uint64_t rows)
{
    struct op_call op = {.operands = {a, b, out}};
    start(&op, client, "concat", 2);
    size(&op, "rows", rows);
    return run(&op);
}

hologram_status hologram_gather_rows(hologram_client *client, hologram_buffer table,
                                     hologram_buffer indices, hologram_buffer out, uint64_t n,
                                     uint64_t rows, uint64_t cols)
{
    struct op_call op = {.operands = {table, indices, out}};
    start(&op, client, "gather_rows", 2);
    size(&op, "n", n);
    size(&op, "rows", rows);
    size(&op, "cols", cols);
    return run(&op);
}

/* ---- with scalars ---------------------------------------------------------------------------- */

hologram_status hologram_fill(hologram_client *client, hologram_buffer dst, double value,
                              uint64_t n)
{
    struct op_call op = {.operands = {dst}};
    start(&op, client, "fill", 0);
    operand_scalar(&op, "value", value);
    size(&op, "n", n);
    return run(&op);
}

hologram_status hologram_clip(hologram_client *client, hologram_buffer a, hologram_buffer c,
                              double lo, double hi, uint64_t n)
{
    struct op_call op = {.operands = {a, c}};
    start(&op, client, "clip", 1);
    operand_scalar(&op, "lo", lo);
    operand_scalar(&op, "hi", hi);
    size(&op, "n", n);
    return run(&op);
}

static hologram_status with_scalar(hologram_client *client, const char *name, hologram_buffer a,
                                   hologram_buffer c, double s, uint64_t n)
{
    struct op_call op = {.operands = {a, c}};
    start(&op, client, name, 1);
    operand_scalar(&op, "s", s);
    size(&op, "n", n);
    return run(&op);
}

hologram_status hologram_scalar_add(hologram_client *client, hologram_buffer a, hologram_buffer c,
                                    double s, uint64_t n)
{
    return with_scalar(client, "scalar_add", a, c, s, n);
}

hologram_status hologram_scalar_mul(hologram_client *client, hologram_buffer a, hologram_buffer c,
                                    double s, uint64_t n)
{
    return with_scalar(client, "scalar_mul", a, c, s, n);
}

hologram_status hologram_layer_norm(hologram_client *client, hologram_buffer x,
                                    hologram_buffer gamma, hologram_buffer beta, hologram_buffer y,
                                    uint64_t n, uint64_t cols, double eps)
{
    struct op_call op = {.operands = {x, gamma, beta, y}};
    start(&op, client, "layer_norm", 3);
    size(&op, "n", n);
    size(&op, "cols", cols);
    wide_scalar(&op, "eps", eps);
    return run(&op);
}

hologram_status hologram_softmax(hologram_client *client, hologram_buffer a, hologram_buffer c,
                                 uint64_t n, uint64_t cols, double temperature)
{
    struct op_call op = {.operands = {a, c}};
    start(&op, client, "softmax", 1);
    size(&op, "n", n);
    size(&op, "cols", cols);
    wide_scalar(&op, "temperature", temperature);
    return run(&op);
}

static hologram_status entropy(hologram_client *client, const char *name,
                               const hologram_buffer operands[3], uint64_t n, double eps)
{
    struct op_call op = {.operands = {operands[0], operands[1], operands[2]}};
    start(&op, client, name, 2);
    size(&op, "n", n);
    wide_scalar(&op, "eps", eps);
    return run(&op);
}

hologram_status hologram_cross_entropy(hologram_client *client, hologram_buffer p,
                                       hologram_buffer t, hologram_buffer out, uint64_t n,
                                       double eps)
{
    return entropy(client, "cross_entropy", (const hologram_buffer[]){p, t, out}, n, eps);
}

hologram_status hologram_binary_cross_entropy(hologram_client *client, hologram_buffer p,
                                              hologram_buffer t, hologram_buffer out, uint64_t n,
                                              double eps)
{
    return entropy(client, "binary_cross_entropy", (const hologram_buffer[]){p, t, out}, n, eps);
}

/* ---- products -------------------------------------------------------------------------------- */

hologram_status hologram_gemm_with(hologram_client *client, hologram_buffer a, hologram_buffer b,
                                   hologram_buffer c, const hologram_gemm_options *options)
{
    struct op_call op = {.operands = {a, b, c}};
    start(&op, client, "gemm", 2);
    size(&op, "m", options->m);
    size(&op, "k", options->k);
    size(&op, "n", options->n);
    if (options->trans_a) {
        bits(&op, "trans_a", 1);
    }
    if (options->trans_b) {
        bits(&op, "trans_b", 1);
    }
    if (options->alpha != 1) {
        wide_scalar(&op, "alpha", options->alpha);
    }
    if (options->beta != 0) {
        wide_scalar(&op, "beta", options->beta);
    }
    return run(&op);
}

hologram_status hologram_gemm(hologram_client *client, hologram_buffer a, hologram_buffer b,
                              hologram_buffer c, uint64_t m, uint64_t k, uint64_t n)
{
    hologram_gemm_options options = {.m = m, .k = k, .n = n, .alpha = 1};
    return hologram_gemm_with(client, a, b, c, &options);
}

hologram_status hologram_matvec(hologram_client *client, hologram_buffer a, hologram_buffer x,
                                hologram_buffer y, uint64_t m, uint64_t n, bool trans)
{
    struct op_call op = {.operands = {a, x, y}};
    start(&op, client, "matvec", 2);
    size(&op, "m", m);
    size(&op, "n", n);
    if (trans) {
        bits(&op, "trans", 1);
    }
    return run(&op);
}

hologram_status hologram_linear(hologram_client *client, hologram_buffer x, hologram_buffer w,
                                hologram_buffer b, hologram_buffer y,
                                const hologram_linear_options *options)
{
    struct op_call op = {.operands = {x, w, b, y}};
    start(&op, client, "linear", 3);
    size(&op, "m", options->m);
    size(&op, "k", options->k);
    size(&op, "n", options->n);
    if (options->trans_w) {
        bits(&op, "trans_w", 1);
    }
    if (options->activation == HOLOGRAM_RELU) {
        bits(&op, "relu", 1);
    } else if (options->activation == HOLOGRAM_GELU) {
        bits(&op, "gelu", 1);
    }
    return run(&op);
}
