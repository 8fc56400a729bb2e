/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and types in the language of graphs. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/graph/parser.h"

/* Longer ones would say nothing that a double can hold. */
#define NUMBER_TEXT_MAX 64

static bool read_integer(const char *text, uint64_t *value)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (strspn(text, hex ? "0123456789abcdefABCDEFxX" : "0123456789") != strlen(text)) {
        return false;
    }
    char *end;
    errno = 0;
    *value = strtoull(text, &end, hex ? 16 : 10);
    return errno == 0 && *end == '\0';
}

static void set_float(struct hg_graph_node *literal, double value)
{
    literal->type = HG_GRAPH_TYPE_FLOAT;
    memcpy(&literal->bits, &value, sizeof value);
}

/* Constants by name, as NumPy has them. */
static bool named(const struct hg_lexeme *lexeme, struct hg_graph_node *literal)
{
    static const struct {
        const char *name;
        double value;
    } constants[] = {{"pi", 3.14159265358979323846},
                     {"e", 2.71828182845904523536},
                     {"inf", (double)INFINITY},
                     {"nan", (double)NAN}};
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        if (hg_lexeme_is(lexeme, constants[i].name)) {
            set_float(literal, constants[i].value);
            return true;
        }
    }
    bool yes = hg_lexeme_is(lexeme, "True");
    literal->type = HG_GRAPH_TYPE_INT;
    literal->bits = yes ? 1 : 0;
    return yes || hg_lexeme_is(lexeme, "False");
}

enum hg_status hg_parse_literal(struct hg_parser *parser, struct hg_graph_node *literal)
{
    const struct hg_lexeme *lexeme = &parser->lexer.lexeme;
    hg_graph_node_init(literal, HG_GRAPH_KIND_LITERAL);
    if (lexeme->kind == HG_LEXEME_NAME && named(lexeme, literal)) {
        hg_lexer_advance(&parser->lexer);
        return HG_OK;
    }
    if (lexeme->kind != HG_LEXEME_NUMBER) {
        return hg_parse_unexpected(parser, "a number");
    }
    char text[NUMBER_TEXT_MAX];
    if (lexeme->length >= sizeof text) {
        return hg_parse_fail(parser, lexeme->start, "a number has at most %d characters",
                             NUMBER_TEXT_MAX - 1);
    }
    memcpy(text, lexeme->start, lexeme->length);
    text[lexeme->length] = '\0';
    if (read_integer(text, &literal->bits)) {
        if (literal->bits > INT64_MAX) {
            return hg_parse_fail(parser, lexeme->start, "%s is more than %" PRId64, text,
                                 INT64_MAX);
        }
        literal->type = HG_GRAPH_TYPE_INT;
    } else {
        char *end;
        double value = strtod(text, &end);
        if (*end != '\0' || strspn(text, "0123456789.eE+-") != lexeme->length) {
            return hg_parse_fail(parser, lexeme->start, "%s is not a number", text);
        }
        set_float(literal, value);
    }
    hg_lexer_advance(&parser->lexer);
    return HG_OK;
}

enum hg_status hg_parse_number(struct hg_parser *parser, double *value)
{
    bool negative = hg_parse_accept(parser, "-");
    struct hg_graph_node literal;
    enum hg_status status = hg_parse_literal(parser, &literal);
    if (status != HG_OK) {
        return status;
    }
    if (literal.type == HG_GRAPH_TYPE_INT) {
        *value = (double)(int64_t)literal.bits;
    } else {
        memcpy(value, &literal.bits, sizeof *value);
    }
    *value = negative ? -*value : *value;
    return HG_OK;
}

enum hg_status hg_parse_integer(struct hg_parser *parser, const char *what, int64_t least,
                                int64_t most, int64_t *value)
{
    const char *at = parser->lexer.lexeme.start;
    bool negative = hg_parse_accept(parser, "-");
    struct hg_graph_node literal;
    enum hg_status status = hg_parse_literal(parser, &literal);
    if (status != HG_OK) {
        return status;
    }
    int64_t number = negative ? -(int64_t)literal.bits : (int64_t)literal.bits;
    if (literal.type != HG_GRAPH_TYPE_INT || number < least || number > most) {
        return hg_parse_fail(parser, at, "%s: expected an integer from %" PRId64 " to %" PRId64,
                             what, least, most);
    }
    *value = number;
    return HG_OK;
}

enum hg_status hg_parse_type(struct hg_parser *parser, enum hg_dtype *type)
{
    const struct hg_lexeme *lexeme = &parser->lexer.lexeme;
    if (lexeme->kind != HG_LEXEME_NAME ||
        !hg_dtype_parse(lexeme->start, (uint32_t)lexeme->length, type)) {
        return hg_parse_unexpected(parser, "a type, as f32 or u8");
    }
    hg_lexer_advance(&parser->lexer);
    return HG_OK;
}
