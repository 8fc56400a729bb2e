/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: operators by precedence, names, brackets, methods. */
#include <string.h>

#include "lib/graph/parser.h"

/* ---- operators ------------------------------------------------------------------------------- */

struct operator
{
    const char *mark;
    enum hg_graph_kind kind;
    uint8_t level; /* a higher one binds more tightly */
};

enum { COMPARISON = 1, OR, XOR, AND, SHIFT, SUM, PRODUCT };

static const struct operator operators[] = {
    {"==", HG_GRAPH_KIND_EQUAL, COMPARISON},
    {"!=", HG_GRAPH_KIND_NOT_EQUAL, COMPARISON},
    {"<=", HG_GRAPH_KIND_LESS_EQUAL, COMPARISON},
    {">=", HG_GRAPH_KIND_GREATER_EQUAL, COMPARISON},
    {"<", HG_GRAPH_KIND_LESS, COMPARISON},
    {">", HG_GRAPH_KIND_GREATER, COMPARISON},
    {"|", HG_GRAPH_KIND_OR, OR},
    {"^", HG_GRAPH_KIND_XOR, XOR},
    {"&", HG_GRAPH_KIND_AND, AND},
    {"<<", HG_GRAPH_KIND_LEFT_SHIFT, SHIFT},
    {">>", HG_GRAPH_KIND_RIGHT_SHIFT, SHIFT},
    {"+", HG_GRAPH_KIND_ADD, SUM},
    {"-", HG_GRAPH_KIND_SUBTRACT, SUM},
    {"*", HG_GRAPH_KIND_MULTIPLY, PRODUCT},
    {"/", HG_GRAPH_KIND_DIVIDE, PRODUCT},
    {"@", HG_GRAPH_KIND_MATMUL, PRODUCT},
};

static const struct operator* find_operator(const struct hg_lexeme *lexeme)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (lexeme->kind == HG_LEXEME_MARK && hg_lexeme_is(lexeme, operators[i].mark)) {
            return &operators[i];
        }
    }
    return NULL;
}

/* What Python writes with words, or has and this language has not. */
static enum hg_status refuse_foreign(const struct hg_parser *parser)
{
    static const struct {
        const char *word;
        const char *advice;
    } foreign[] = {{"and", "write (a) & (b)"},
                   {"or", "write (a) | (b)"},
                   {"not", "write x == 0"},
                   {"if", "write where(condition, a, b)"},
                   {"//", "write / of integers, which rounds toward zero"},
                   {"%", "write a - a / b * b"}};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        if (hg_lexeme_is(&parser->lexer.lexeme, foreign[i].word)) {
            return hg_parse_fail(parser, parser->lexer.lexeme.start, "there is no '%s': %s",
                                 foreign[i].word, foreign[i].advice);
        }
    }
    return HG_OK;
}

static enum hg_status enter(struct hg_parser *parser)
{
    if (parser->depth == HG_LANGUAGE_DEPTH_MAX) {
        return hg_parse_fail(parser, parser->lexer.lexeme.start,
                             "more than %d brackets and operators inside each other",
                             HG_LANGUAGE_DEPTH_MAX);
    }
    parser->depth++;
    return HG_OK;
}

enum hg_status hg_parse_binary(struct hg_parser *parser, enum hg_graph_kind kind, uint32_t left,
                               uint32_t right, const char *at, uint32_t *node)
{
    struct hg_graph_node made;
    hg_graph_node_init(&made, kind);
    made.input_count = 2;
    made.inputs[0] = left;
    made.inputs[1] = right;
    return hg_parse_add(parser, &made, at, node);
}

/* ---- primaries ------------------------------------------------------------------------------- */

static enum hg_status parse_name(struct hg_parser *parser, uint32_t *node)
{
    struct hg_lexeme name = parser->lexer.lexeme;
    hg_lexer_advance(&parser->lexer);
    if (hg_lexeme_is(&parser->lexer.lexeme, "(")) {
        return hg_parse_call(parser, &name, UINT32_MAX, node);
    }
    struct hg_binding *binding = hg_parse_binding(parser, name.start, name.length);
    if (binding != NULL) {
        binding->read = true;
        *node = binding->node;
        return HG_OK;
    }
    struct hg_graph_node input;
    hg_graph_node_init(&input, HG_GRAPH_KIND_INPUT);
    input.type = HG_GRAPH_TYPE_OPEN;
    input.rank = HG_GRAPH_RANK_OPEN;
    if (name.length > HG_GRAPH_NAME_MAX) {
        return hg_parse_fail(parser, name.start, "a name has at most %d characters",
                             HG_GRAPH_NAME_MAX);
    }
    memcpy(input.name, name.start, name.length);
    enum hg_status status = hg_parse_add(parser, &input, name.start, node);
    return status == HG_OK ? hg_parse_bind(parser, name.start, name.length, *node, false) : status;
}

static bool is_constant(const struct hg_parser *parser)
{
    static const char *const names[] = {"pi", "e", "inf", "nan", "True", "False"};
    const struct hg_lexeme *lexeme = &parser->lexer.lexeme;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hg_lexeme_is(lexeme, names[i]) &&
            hg_parse_binding((struct hg_parser *)(uintptr_t)parser, lexeme->start,
                             lexeme->length) == NULL) {
            return true;
        }
    }
    return lexeme->kind == HG_LEXEME_NUMBER;
}

static enum hg_status parse_primary(struct hg_parser *parser, uint32_t *node)
{
    const char *at = parser->lexer.lexeme.start;
    if (is_constant(parser)) {
        struct hg_graph_node literal;
        enum hg_status status = hg_parse_literal(parser, &literal);
        return status == HG_OK ? hg_parse_add(parser, &literal, at, node) : status;
    }
    enum hg_status status = refuse_foreign(parser);
    if (status != HG_OK) {
        return status;
    }
    if (parser->lexer.lexeme.kind == HG_LEXEME_NAME) {
        return parse_name(parser, node);
    }
    if (!hg_parse_accept(parser, "(")) {
        return hg_parse_unexpected(parser, "a value");
    }
    status = hg_parse_expression(parser, node);
    return status == HG_OK ? hg_parse_expect(parser, ")") : status;
}

/* x[indices]: rows by their numbers. */
static enum hg_status parse_index(struct hg_parser *parser, const char *at, uint32_t *node)
{
    uint32_t indices;
    enum hg_status status = hg_parse_expression(parser, &indices);
    if (status == HG_OK) {
        status = hg_parse_expect(parser, "]");
    }
    return status == HG_OK ? hg_parse_binary(parser, HG_GRAPH_KIND_TAKE, *node, indices, at, node)
                           : status;
}

/* x.shape[axis] */
static enum hg_status parse_size(struct hg_parser *parser, const char *at, uint32_t *node)
{
    struct hg_graph_node size;
    hg_graph_node_init(&size, HG_GRAPH_KIND_SIZE);
    size.input_count = 1;
    size.inputs[0] = *node;
    int64_t axis = 0;
    enum hg_status status = hg_parse_expect(parser, "[");
    if (status == HG_OK) {
        status = hg_parse_integer(parser, "axis", -HG_GRAPH_RANK_MAX, HG_GRAPH_RANK_MAX - 1, &axis);
    }
    if (status == HG_OK) {
        status = hg_parse_expect(parser, "]");
    }
    size.axis = (int32_t)axis;
    return status == HG_OK ? hg_parse_add(parser, &size, at, node) : status;
}

/* x.T, or a function with x as its first argument. */
static enum hg_status parse_method(struct hg_parser *parser, uint32_t *node)
{
    struct hg_lexeme name = parser->lexer.lexeme;
    if (name.kind != HG_LEXEME_NAME) {
        return hg_parse_unexpected(parser, "a method, as T or sum()");
    }
    hg_lexer_advance(&parser->lexer);
    if (hg_lexeme_is(&name, "shape")) {
        return parse_size(parser, name.start, node);
    }
    if (!hg_lexeme_is(&name, "T")) {
        return hg_parse_call(parser, &name, *node, node);
    }
    struct hg_graph_node transposed;
    hg_graph_node_init(&transposed, HG_GRAPH_KIND_TRANSPOSE);
    transposed.input_count = 1;
    transposed.inputs[0] = *node;
    return hg_parse_add(parser, &transposed, name.start, node);
}

static enum hg_status parse_postfix(struct hg_parser *parser, uint32_t *node)
{
    enum hg_status status = parse_primary(parser, node);
    while (status == HG_OK) {
        const char *at = parser->lexer.lexeme.start;
        if (hg_parse_accept(parser, ".")) {
            status = parse_method(parser, node);
        } else if (hg_parse_accept(parser, "[")) {
            status = parse_index(parser, at, node);
        } else {
            break;
        }
    }
    return status;
}

/* ---- unary operators and powers -------------------------------------------------------------- */

/* The number itself where it was just written: -1 is one literal. */
static bool negate_literal(struct hg_graph *graph, uint32_t index)
{
    struct hg_graph_node *node = &graph->nodes[index];
    if (index != graph->node_count - 1 || node->kind != HG_GRAPH_KIND_LITERAL) {
        return false;
    }
    node->bits = node->type == HG_GRAPH_TYPE_FLOAT ? node->bits ^ UINT64_C(1) << 63
                                                   : UINT64_C(0) - node->bits;
    return true;
}

static enum hg_status parse_unary(struct hg_parser *parser, uint32_t *node);

/* a ** b: from the right, and more tightly than a sign on its left. */
static enum hg_status parse_power(struct hg_parser *parser, uint32_t *node)
{
    enum hg_status status = parse_postfix(parser, node);
    const char *at = parser->lexer.lexeme.start;
    if (status != HG_OK || !hg_parse_accept(parser, "**")) {
        return status;
    }
    uint32_t exponent;
    status = parse_unary(parser, &exponent);
    return status == HG_OK ? hg_parse_binary(parser, HG_GRAPH_KIND_POWER, *node, exponent, at, node)
                           : status;
}

static enum hg_status parse_sign(struct hg_parser *parser, enum hg_graph_kind kind, const char *at,
                                 uint32_t *node)
{
    /* A name may stand for a literal as well, which must stay what it is. */
    bool written = is_constant(parser);
    enum hg_status status = parse_unary(parser, node);
    if (status != HG_OK ||
        (written && kind == HG_GRAPH_KIND_NEGATIVE && negate_literal(parser->graph, *node))) {
        return status;
    }
    struct hg_graph_node made;
    hg_graph_node_init(&made, kind);
    made.input_count = 1;
    made.inputs[0] = *node;
    return hg_parse_add(parser, &made, at, node);
}

static enum hg_status parse_unary(struct hg_parser *parser, uint32_t *node)
{
    enum hg_status status = enter(parser);
    if (status != HG_OK) {
        return status;
    }
    const char *at = parser->lexer.lexeme.start;
    if (hg_parse_accept(parser, "-")) {
        status = parse_sign(parser, HG_GRAPH_KIND_NEGATIVE, at, node);
    } else if (hg_parse_accept(parser, "~")) {
        status = parse_sign(parser, HG_GRAPH_KIND_INVERT, at, node);
    } else if (hg_parse_accept(parser, "+")) {
        status = parse_unary(parser, node);
    } else {
        status = parse_power(parser, node);
    }
    parser->depth--;
    return status;
}

/* ---- binary operators ------------------------------------------------------------------------ */

static enum hg_status parse_level(struct hg_parser *parser, unsigned level, uint32_t *node)
{
    enum hg_status status = parse_unary(parser, node);
    while (status == HG_OK) {
        struct hg_lexeme lexeme = parser->lexer.lexeme;
        const struct operator* operator= find_operator(&lexeme);
        if (operator== NULL) {
            return refuse_foreign(parser);
        }
        if (operator->level<level) {
            return HG_OK;
        }
        hg_lexer_advance(&parser->lexer);
        uint32_t right;
        status = parse_level(parser, operator->level + 1u, &right);
        if (status == HG_OK) {
            status = hg_parse_binary(parser, operator->kind, *node, right, lexeme.start, node);
        }
        const struct operator* after = find_operator(&parser->lexer.lexeme);
        if (status == HG_OK && operator->level == COMPARISON && after != NULL &&
                               after->level == COMPARISON) {
            return hg_parse_fail(parser, parser->lexer.lexeme.start,
                                 "comparisons do not chain: write (a < b) & (b < c)");
        }
    }
    return status;
}

enum hg_status hg_parse_expression(struct hg_parser *parser, uint32_t *node)
{
    enum hg_status status = enter(parser);
    if (status == HG_OK) {
        status = parse_level(parser, COMPARISON, node);
        parser->depth--;
    }
    return status;
}
