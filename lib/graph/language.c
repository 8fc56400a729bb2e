/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: declarations of inputs, assignments, results. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/graph/parser.h"

/* The name of a last expression that was given none. */
#define RESULT_NAME "result"

/* ---- errors ---------------------------------------------------------------------------------- */

enum hg_status hg_parse_fail(const struct hg_parser *parser, const char *at, const char *format,
                             ...)
{
    unsigned line = 1;
    unsigned column = 1;
    for (const char *c = parser->lexer.text; c < at; c++) {
        bool continuation = ((unsigned char)*c & 0xc0u) == 0x80u; /* of a character in UTF-8 */
        column += continuation ? 0 : 1;
        if (*c == '\n') {
            line++;
            column = 1;
        }
    }
    char what[sizeof parser->error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return hg_fail(parser->error, HG_INVALID_ARGUMENT, "line %u, column %u: %s", line, column,
                   what);
}

enum hg_status hg_parse_unexpected(const struct hg_parser *parser, const char *expected)
{
    const struct hg_lexeme *lexeme = &parser->lexer.lexeme;
    switch (lexeme->kind) {
    case HG_LEXEME_END:
        return hg_parse_fail(parser, lexeme->start, "expected %s, not the end", expected);
    case HG_LEXEME_LINE:
        return hg_parse_fail(parser, lexeme->start, "expected %s, not the end of the statement",
                             expected);
    case HG_LEXEME_INVALID:
        return hg_parse_fail(parser, lexeme->start, "expected %s, not byte 0x%02x", expected,
                             (unsigned)(unsigned char)*lexeme->start);
    default:
        return hg_parse_fail(parser, lexeme->start, "expected %s, not '%.*s'", expected,
                             (int)(lexeme->length < 64 ? lexeme->length : 64), lexeme->start);
    }
}

bool hg_parse_accept(struct hg_parser *parser, const char *mark)
{
    if (!hg_lexeme_is(&parser->lexer.lexeme, mark)) {
        return false;
    }
    hg_lexer_advance(&parser->lexer);
    return true;
}

enum hg_status hg_parse_expect(struct hg_parser *parser, const char *mark)
{
    char expected[8];
    if (hg_parse_accept(parser, mark)) {
        return HG_OK;
    }
    snprintf(expected, sizeof expected, "'%s'", mark);
    return hg_parse_unexpected(parser, expected);
}

enum hg_status hg_parse_add(struct hg_parser *parser, struct hg_graph_node *node, const char *at,
                            uint32_t *index)
{
    struct hg_error error = HG_ERROR_INIT;
    node->origin = (uint32_t)(at - parser->lexer.text);
    enum hg_status status = hg_graph_add(parser->graph, node, index, &error);
    if (status == HG_INVALID_ARGUMENT) {
        /* What the text says is of more use than the number that the node would have had. */
        const char *what = strstr(error.message, "): ");
        return hg_parse_fail(parser, at, "%s: %s",
                             hg_graph_kind_info((enum hg_graph_kind)node->kind)->name,
                             what != NULL ? what + 3 : error.message);
    }
    return status == HG_OK ? HG_OK : hg_fail(parser->error, status, "%s", error.message);
}

/* ---- names ----------------------------------------------------------------------------------- */

struct hg_binding *hg_parse_binding(struct hg_parser *parser, const char *name, size_t length)
{
    for (uint32_t i = 0; i < parser->binding_count; i++) {
        struct hg_binding *binding = &parser->bindings[i];
        if (binding->length == length && memcmp(binding->name, name, length) == 0) {
            return binding;
        }
    }
    return NULL;
}

enum hg_status hg_parse_bind(struct hg_parser *parser, const char *name, size_t length,
                             uint32_t node, bool assigned)
{
    struct hg_binding *binding = hg_parse_binding(parser, name, length);
    if (binding == NULL && parser->binding_count == parser->binding_capacity) {
        uint32_t capacity = parser->binding_capacity == 0 ? 16 : 2 * parser->binding_capacity;
        struct hg_binding *bindings =
            hg_realloc(HG_TAG_GRAPH, parser->bindings, capacity * sizeof *bindings);
        if (bindings == NULL) {
            return hg_fail(parser->error, HG_RESOURCE_EXHAUSTED, "no memory for names");
        }
        parser->bindings = bindings;
        parser->binding_capacity = capacity;
    }
    if (binding == NULL) {
        binding = &parser->bindings[parser->binding_count++];
    }
    *binding = (struct hg_binding){name, length, node, assigned, !assigned};
    return HG_OK;
}

/* ---- statements ------------------------------------------------------------------------------ */

static enum hg_status parse_dimension(struct hg_parser *parser, uint64_t *size)
{
    struct hg_lexeme lexeme = parser->lexer.lexeme;
    if (lexeme.kind == HG_LEXEME_NAME) {
        hg_lexer_advance(&parser->lexer);
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status =
            hg_graph_symbol(parser->graph, lexeme.start, lexeme.length, size, &error);
        return status == HG_OK ? HG_OK : hg_parse_fail(parser, lexeme.start, "%s", error.message);
    }
    int64_t value;
    enum hg_status status =
        hg_parse_integer(parser, "a size", 0, (int64_t)HG_GRAPH_SIZE_MAX, &value);
    *size = status == HG_OK ? (uint64_t)value : 0;
    return status;
}

static enum hg_status parse_shape(struct hg_parser *parser, struct hg_graph_node *input)
{
    if (!hg_parse_accept(parser, "[")) {
        return HG_OK; /* without brackets: a scalar */
    }
    while (!hg_lexeme_is(&parser->lexer.lexeme, "]")) {
        if (input->rank == HG_GRAPH_RANK_MAX) {
            return hg_parse_fail(parser, parser->lexer.lexeme.start,
                                 "a shape has at most %d dimensions", HG_GRAPH_RANK_MAX);
        }
        enum hg_status status = parse_dimension(parser, &input->sizes[input->rank++]);
        if (status != HG_OK) {
            return status;
        }
        if (!hg_parse_accept(parser, ",")) {
            break;
        }
    }
    return hg_parse_expect(parser, "]");
}

/* name: f32[n, 784] */
static enum hg_status parse_declaration(struct hg_parser *parser, const struct hg_lexeme *name)
{
    if (hg_parse_binding(parser, name->start, name->length) != NULL) {
        return hg_parse_fail(parser, name->start,
                             "an input is declared before it is used, and once");
    }
    struct hg_graph_node input;
    hg_graph_node_init(&input, HG_GRAPH_KIND_INPUT);
    memcpy(input.name, name->start, name->length);
    enum hg_dtype type = HG_F32;
    enum hg_status status = hg_parse_type(parser, &type);
    input.type = (uint8_t)type;
    if (status == HG_OK) {
        status = parse_shape(parser, &input);
    }
    uint32_t node;
    if (status == HG_OK) {
        status = hg_parse_add(parser, &input, name->start, &node);
    }
    return status == HG_OK ? hg_parse_bind(parser, name->start, name->length, node, false) : status;
}

/* The operator of an assignment as `+=`; HG_GRAPH_KIND_COUNT for `=`. */
static bool accept_assignment(struct hg_parser *parser, enum hg_graph_kind *kind)
{
    static const struct {
        const char *mark;
        enum hg_graph_kind kind;
    } assignments[] = {{"=", HG_GRAPH_KIND_COUNT},
                       {"+=", HG_GRAPH_KIND_ADD},
                       {"-=", HG_GRAPH_KIND_SUBTRACT},
                       {"*=", HG_GRAPH_KIND_MULTIPLY},
                       {"/=", HG_GRAPH_KIND_DIVIDE}};
    for (size_t i = 0; i < sizeof assignments / sizeof assignments[0]; i++) {
        if (hg_parse_accept(parser, assignments[i].mark)) {
            *kind = assignments[i].kind;
            return true;
        }
    }
    return false;
}

static enum hg_status parse_assigned(struct hg_parser *parser, const struct hg_lexeme *name,
                                     const char *at, enum hg_graph_kind kind)
{
    struct hg_binding *old = hg_parse_binding(parser, name->start, name->length);
    uint32_t before = old != NULL ? old->node : UINT32_MAX;
    if (kind != HG_GRAPH_KIND_COUNT && old == NULL) {
        return hg_parse_fail(parser, name->start, "%.*s has no value yet", (int)name->length,
                             name->start);
    }
    uint32_t node;
    enum hg_status status = hg_parse_expression(parser, &node);
    if (status == HG_OK && kind != HG_GRAPH_KIND_COUNT) {
        status = hg_parse_binary(parser, kind, before, node, at, &node);
    }
    return status == HG_OK ? hg_parse_bind(parser, name->start, name->length, node, true) : status;
}

static enum hg_status parse_return(struct hg_parser *parser)
{
    do {
        struct hg_lexeme name = parser->lexer.lexeme;
        if (name.kind != HG_LEXEME_NAME) {
            return hg_parse_unexpected(parser, "a name");
        }
        hg_lexer_advance(&parser->lexer);
        const struct hg_binding *binding = hg_parse_binding(parser, name.start, name.length);
        if (binding == NULL) {
            return hg_parse_fail(parser, name.start, "%.*s has no value", (int)name.length,
                                 name.start);
        }
        struct hg_error error = HG_ERROR_INIT;
        if (hg_graph_add_output(parser->graph, binding->node, name.start, name.length, &error) !=
            HG_OK) {
            return hg_parse_fail(parser, name.start, "%s", error.message);
        }
    } while (hg_parse_accept(parser, ","));
    return HG_OK;
}

/* An expression without a name: nothing may follow it. */
static enum hg_status parse_last(struct hg_parser *parser)
{
    const char *at = parser->lexer.lexeme.start;
    uint32_t node;
    enum hg_status status = hg_parse_expression(parser, &node);
    struct hg_lexer rest = parser->lexer;
    while (rest.lexeme.kind == HG_LEXEME_LINE) {
        hg_lexer_advance(&rest);
    }
    if (status == HG_OK && parser->lexer.lexeme.kind == HG_LEXEME_LINE &&
        rest.lexeme.kind != HG_LEXEME_END) {
        return hg_parse_fail(parser, at, "this value goes nowhere: give it a name");
    }
    return status == HG_OK ? hg_graph_add_output(parser->graph, node, RESULT_NAME,
                                                 strlen(RESULT_NAME), parser->error)
                           : status;
}

static enum hg_status parse_statement(struct hg_parser *parser)
{
    if (hg_parse_accept(parser, "return")) {
        return parse_return(parser);
    }
    struct hg_lexeme name = parser->lexer.lexeme;
    struct hg_lexer start = parser->lexer;
    if (name.kind == HG_LEXEME_NAME) {
        hg_lexer_advance(&parser->lexer);
        const char *at = parser->lexer.lexeme.start;
        enum hg_graph_kind kind;
        bool declares = hg_parse_accept(parser, ":");
        bool assigns = !declares && accept_assignment(parser, &kind);
        if ((declares || assigns) && name.length > HG_GRAPH_NAME_MAX) {
            return hg_parse_fail(parser, name.start, "a name has at most %d characters",
                                 HG_GRAPH_NAME_MAX);
        }
        if (declares) {
            return parse_declaration(parser, &name);
        }
        if (assigns) {
            return parse_assigned(parser, &name, at, kind);
        }
        parser->lexer = start;
    }
    return parse_last(parser);
}

static enum hg_status parse_statements(struct hg_parser *parser)
{
    for (;;) {
        while (parser->lexer.lexeme.kind == HG_LEXEME_LINE) {
            hg_lexer_advance(&parser->lexer);
        }
        if (parser->lexer.lexeme.kind == HG_LEXEME_END) {
            return HG_OK;
        }
        if (parser->returned) {
            return hg_parse_fail(parser, parser->lexer.lexeme.start, "nothing follows return");
        }
        parser->returned = hg_lexeme_is(&parser->lexer.lexeme, "return");
        enum hg_status status = parse_statement(parser);
        if (status != HG_OK) {
            return status;
        }
        if (parser->lexer.lexeme.kind != HG_LEXEME_LINE &&
            parser->lexer.lexeme.kind != HG_LEXEME_END) {
            return hg_parse_unexpected(parser, "an operator or the end of the statement");
        }
    }
}

/* Without `return`: the names whose value nothing reads. */
static enum hg_status add_outputs(struct hg_parser *parser)
{
    struct hg_graph *graph = parser->graph;
    for (uint32_t i = 0; !parser->returned && i < parser->binding_count; i++) {
        const struct hg_binding *binding = &parser->bindings[i];
        if (binding->assigned && !binding->read) {
            enum hg_status status = hg_graph_add_output(graph, binding->node, binding->name,
                                                        binding->length, parser->error);
            if (status != HG_OK) {
                return status;
            }
        }
    }
    if (graph->output_count == 0) {
        return hg_parse_fail(parser, parser->lexer.end, "there is no result");
    }
    return HG_OK;
}

enum hg_status hg_language_parse(const char *text, size_t length, struct hg_graph **graph,
                                 struct hg_error *error)
{
    if (length > HG_LANGUAGE_TEXT_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%zu bytes of text: at most %u", length,
                       HG_LANGUAGE_TEXT_MAX);
    }
    struct hg_parser parser = {.error = error};
    enum hg_status status = hg_graph_create(&parser.graph, error);
    if (status != HG_OK) {
        return status;
    }
    hg_lexer_init(&parser.lexer, text, length);
    status = parse_statements(&parser);
    if (status == HG_OK) {
        status = add_outputs(&parser);
    }
    hg_free(HG_TAG_GRAPH, parser.bindings);
    if (status != HG_OK) {
        hg_graph_destroy(&parser.graph);
        return status;
    }
    *graph = parser.graph;
    return HG_OK;
}
