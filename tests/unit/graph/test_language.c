/* SPDX-License-Identifier: Apache-2.0 */
/* The language of graphs: what texts mean, and that every error names its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/graph/language.h"

#define TEXT_MAX 8192

static struct hg_graph *parse(const char *text)
{
    struct hg_graph *graph = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_language_parse(text, strlen(text), &graph, &error) != HG_OK) {
        fail_msg("%s\n%s", text, error.message);
    }
    return graph;
}

static void assert_means(const char *text, const char *expected)
{
    char printed[TEXT_MAX];
    struct hg_graph *graph = parse(text);
    assert_in_range(hg_graph_print(graph, printed, sizeof printed), 1, sizeof printed - 1);
    assert_string_equal(printed, expected);
    hg_graph_destroy(&graph);
}

static void assert_same(const char *a, const char *b)
{
    char printed[TEXT_MAX];
    struct hg_graph *graph = parse(b);
    assert_in_range(hg_graph_print(graph, printed, sizeof printed), 1, sizeof printed - 1);
    hg_graph_destroy(&graph);
    assert_means(a, printed);
}

static void assert_refused(const char *text, const char *message)
{
    struct hg_graph *graph = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_language_parse(text, strlen(text), &graph, &error), HG_INVALID_ARGUMENT);
    assert_null(graph);
    assert_string_equal(error.message, message);
}

/* A two-layer network: names become inputs in the order of their use, the last value the result. */
static void statements_become_nodes(void **state)
{
    (void)state;
    assert_means("x: f32[n, 784]  # a batch\n"
                 "h = relu(x @ w1 + b1)\n"
                 "y = softmax(h @ w2 + b2, axis=-1)\n",
                 "%0 = input x f32[n, 784]\n"
                 "%1 = input w1 ?[...]\n"
                 "%2 = matmul(%0, %1)\n"
                 "%3 = input b1 ?[...]\n"
                 "%4 = add(%2, %3)\n"
                 "%5 = relu(%4)\n"
                 "%6 = input w2 ?[...]\n"
                 "%7 = matmul(%5, %6)\n"
                 "%8 = input b2 ?[...]\n"
                 "%9 = add(%7, %8)\n"
                 "%10 = softmax(%9) axis=-1 temperature=1\n"
                 "return %10 as y\n");
}

/* Operators bind as Python's do. */
static void precedence_is_pythons(void **state)
{
    (void)state;
    assert_same("a + b * c", "a + (b * c)");
    assert_same("a - b - c", "(a - b) - c");
    assert_same("-a ** b", "-(a ** b)");
    assert_same("a ** -b", "a ** (-b)");
    assert_same("a ** b ** c", "a ** (b ** c)");
    assert_same("a @ b * c", "(a @ b) * c");
    assert_same("a << b + c", "a << (b + c)");
    assert_same("a & b << c", "a & (b << c)");
    assert_same("a ^ b & c", "a ^ (b & c)");
    assert_same("a | b ^ c", "a | (b ^ c)");
    assert_same("a | b < c | d", "(a | b) < (c | d)");
    assert_same("~a.T", "~(a.T)");
    assert_same("-a * b", "(-a) * b");
    assert_same("a\\\n+ b", "a + b");
    assert_same("(a\n+\nb)", "a + b");
    assert_same("y = a; z = y + b", "y = a\nz = y + b\n\n# end");
}

/* Numbers keep whether they are integers; a sign belongs to the number, but not to a name. */
static void numbers_are_read(void **state)
{
    (void)state;
    assert_means("x * -2", "%0 = input x ?[...]\n%1 = literal int -2\n"
                           "%2 = multiply(%0, %1)\nreturn %2 as result\n");
    assert_means("0x10", "%0 = literal int 16\nreturn %0 as result\n");
    assert_means("1e-3", "%0 = literal float 0.001\nreturn %0 as result\n");
    assert_means(".5", "%0 = literal float 0.5\nreturn %0 as result\n");
    assert_means("-inf", "%0 = literal float -inf\nreturn %0 as result\n");
    assert_means("a = 2\nb = -a\nreturn a, b",
                 "%0 = literal int 2\n%1 = negative(%0)\nreturn %0 as a\nreturn %1 as b\n");
    assert_means("pi = 3\npi + 0", "%0 = literal int 3\n%1 = literal int 0\n%2 = add(%0, %1)\n"
                                   "return %2 as result\n");
}

/* Functions take their attributes by name or by place, and are methods too. */
static void calls_have_attributes(void **state)
{
    (void)state;
    assert_means("sum(x, axis=0, keepdims=True)",
                 "%0 = input x ?[...]\n%1 = sum(%0) axis=0 keepdims\nreturn %1 as result\n");
    assert_same("sum(x, 0)", "x.sum(axis=0)");
    assert_same("sum(x, axis=None)", "x.sum()");
    assert_same("x.astype(f16)", "f16(x)");
    assert_same("x.astype(dtype=f16)", "f16(x)");
    assert_same("x.reshape(2, -1)", "reshape(x, (2, -1))");
    assert_same("x.reshape([2, -1])", "reshape(x, shape=(2, -1))");
    assert_same("x.transpose(1, 0)", "transpose(x, axes=(1, 0))");
    assert_same("x.T", "transpose(x)");
    assert_same("abs(x)", "absolute(x)");
    assert_same("x[i]", "take(x, i)");
    assert_same("concatenate((a, b), axis=1)", "concat([a, b,], 1)");
    assert_means("softmax(x, temperature=2)",
                 "%0 = input x ?[...]\n%1 = softmax(%0) temperature=2\n"
                 "return %1 as result\n");
    assert_means("layer_norm(x, g, b, eps=1e-6)",
                 "%0 = input x ?[...]\n%1 = input g ?[...]\n%2 = input b ?[...]\n"
                 "%3 = layer_norm(%0, %1, %2) eps=9.9999999999999995e-07\n"
                 "return %3 as result\n");
}

/* Results are what nothing reads, or what `return` names; a name may be used for a new value. */
static void results_are_found(void **state)
{
    (void)state;
    assert_means("w: f32[4]\nw -= 0.5 * g\n",
                 "%0 = input w f32[4]\n%1 = literal float 0.5\n%2 = input g ?[...]\n"
                 "%3 = multiply(%1, %2)\n%4 = subtract(%0, %3)\nreturn %4 as w\n");
    assert_means("a = x + 1; b = a * 2; c = a",
                 "%0 = input x ?[...]\n%1 = literal int 1\n%2 = add(%0, %1)\n"
                 "%3 = literal int 2\n%4 = multiply(%2, %3)\n"
                 "return %4 as b\nreturn %2 as c\n");
    assert_means("result = x; y = x; return result", "%0 = input x ?[...]\nreturn %0 as result\n");
    assert_means("s: i64\ns", "%0 = input s i64[]\nreturn %0 as result\n");
}

/* Every row of the table can be written as a call. */
static void every_kind_is_a_function(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < HG_GRAPH_KIND_COUNT; kind++) {
        const struct hg_graph_kind_info *info = hg_graph_kind_info((enum hg_graph_kind)kind);
        if (info->class == HG_GRAPH_SOURCE || info->class == HG_GRAPH_INTERNAL) {
            continue;
        }
        char text[256];
        const char *values = info->inputs_min == 1   ? "a"
                             : info->inputs_min == 2 ? "a, b"
                                                     : "a, b, c";
        bool list = kind == HG_GRAPH_KIND_CONCATENATE;
        const char *rest = (info->attributes & HG_GRAPH_TYPE) != 0    ? ", f64"
                           : (info->attributes & HG_GRAPH_SHAPE) != 0 ? ", (2, 3)"
                                                                      : "";
        snprintf(text, sizeof text, "%s(%s%s%s%s)", info->name, list ? "[" : "", values,
                 list ? "]" : "", rest);
        struct hg_graph *graph = parse(text);
        assert_int_equal(graph->nodes[graph->node_count - 1].kind, kind);
        hg_graph_destroy(&graph);
    }
}

/* Errors say where, in characters, and what was expected. */
static void errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 1: there is no result"},
        {"x +", "line 1, column 4: expected a value, not the end"},
        {"y = x\nz = y +\n", "line 2, column 8: expected a value, not the end of the statement"},
        {"# \xce\xa6\nx $ y", "line 2, column 3: expected an operator or the end of the "
                              "statement, not byte 0x24"},
        {"\xce\xa6 + x", "line 1, column 1: expected a value, not byte 0xce"},
        {"(x", "line 1, column 3: expected ')', not the end"},
        {"a < b < c", "line 1, column 7: comparisons do not chain: write (a < b) & (b < c)"},
        {"a and b", "line 1, column 3: there is no 'and': write (a) & (b)"},
        {"not a", "line 1, column 1: there is no 'not': write x == 0"},
        {"a // b", "line 1, column 3: there is no '//': write / of integers, which rounds toward "
                   "zero"},
        {"a % b", "line 1, column 3: there is no '%': write a - a / b * b"},
        {"foo(x)", "line 1, column 1: there is no function 'foo'"},
        {"input(x)", "line 1, column 1: there is no function 'input'"},
        {"exp(x, y)", "line 1, column 8: exp takes at most 1 values"},
        {"minimum(x)", "line 1, column 1: minimum takes 2 values, got 1"},
        {"exp()", "line 1, column 1: exp takes 1 value, got 0"},
        {"x.astype()", "line 1, column 3: astype needs a type, as f32"},
        {"x.astype(f33)", "line 1, column 10: expected a type, as f32 or u8, not 'f33'"},
        {"sum(x, axis=9)", "line 1, column 13: axis: expected an integer from -8 to 7"},
        {"sum(x, axis=1.5)", "line 1, column 13: axis: expected an integer from -8 to 7"},
        {"sum(x, keepdims=1)", "line 1, column 17: expected True or False, not '1'"},
        {"softmax(x, temperature=0)", "line 1, column 1: softmax: the temperature must be above 0"},
        {"layer_norm(x, eps=-1)",
         "line 1, column 1: layer_norm: eps must be at least 0 and below 1"},
        {"transpose(x, (1, 1))", "line 1, column 1: transpose: the axes are no order of all axes"},
        {"reshape(x, (-1, -1))",
         "line 1, column 1: reshape: only one size can follow from the others"},
        {"concatenate(a, b)",
         "line 1, column 13: expected a list of values: (a, b) or [a, b], not 'a'"},
        {"1x", "line 1, column 1: 1x is not a number"},
        {"1.2.3", "line 1, column 1: 1.2.3 is not a number"},
        {"9223372036854775808",
         "line 1, column 1: 9223372036854775808 is more than 9223372036854775807"},
        {"x: f32[n", "line 1, column 9: expected ']', not the end"},
        {"x: q", "line 1, column 4: expected a type, as f32 or u8, not 'q'"},
        {"y = x\nx: f32", "line 2, column 1: an input is declared before it is used, and once"},
        {"x: f32\nx: f32", "line 2, column 1: an input is declared before it is used, and once"},
        {"x += 1", "line 1, column 1: x has no value yet"},
        {"x + 1\ny = 2", "line 1, column 1: this value goes nowhere: give it a name"},
        {"y = x\nreturn y, z", "line 2, column 11: z has no value"},
        {"y = x\nreturn y, y", "line 2, column 11: output y: named twice"},
        {"return", "line 1, column 7: expected a name, not the end"},
        {"y = x; return y\nz = 1", "line 2, column 1: nothing follows return"},
        {"x.", "line 1, column 3: expected a method, as T or sum(), not the end"},
        {"x[i", "line 1, column 4: expected ']', not the end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i].text, cases[i].message);
    }
}

/* What could be made long by a client has a bound. */
static void sizes_are_bounded(void **state)
{
    (void)state;
    static char text[HG_LANGUAGE_TEXT_MAX + 2];
    struct hg_graph *graph = NULL;
    struct hg_error error = HG_ERROR_INIT;

    memset(text, '(', HG_LANGUAGE_TEXT_MAX);
    assert_int_equal(hg_language_parse(text, HG_LANGUAGE_TEXT_MAX, &graph, &error),
                     HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "inside each other"));
    memset(text, '-', HG_LANGUAGE_TEXT_MAX);
    assert_int_equal(hg_language_parse(text, HG_LANGUAGE_TEXT_MAX, &graph, &error),
                     HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "inside each other"));
    memset(text, 'a', HG_LANGUAGE_TEXT_MAX);
    assert_int_equal(hg_language_parse(text, HG_LANGUAGE_TEXT_MAX, &graph, &error),
                     HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "line 1, column 1: a name has at most 63 characters");
    assert_int_equal(hg_language_parse(text, sizeof text - 1, &graph, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "65537 bytes of text: at most 65536");

    size_t length = 0;
    text[length++] = 'x';
    for (unsigned i = 0; i <= HG_GRAPH_NODES_MAX; i++) {
        text[length++] = '+';
        text[length++] = 'x';
    }
    assert_int_equal(hg_language_parse(text, length, &graph, &error), HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "a graph has at most 2048 nodes");
}

/* Without memory, parsing fails cleanly wherever it fails. */
static void memory_may_run_out(void **state)
{
    (void)state;
    static const char text[] = "a = b + c * d - e / f; g = h * i + j - k * l + m * n + o * p";
    uint64_t before = hg_alloc_live_bytes(HG_TAG_GRAPH);
    bool fired = true;
    for (unsigned n = 0; fired; n++) {
        struct hg_graph *graph = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(n, false);
        enum hg_status status = hg_language_parse(text, strlen(text), &graph, &error);
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
        hg_graph_destroy(&graph);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_GRAPH), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_become_nodes), cmocka_unit_test(precedence_is_pythons),
        cmocka_unit_test(numbers_are_read),        cmocka_unit_test(calls_have_attributes),
        cmocka_unit_test(results_are_found),       cmocka_unit_test(every_kind_is_a_function),
        cmocka_unit_test(errors_name_the_place),   cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
