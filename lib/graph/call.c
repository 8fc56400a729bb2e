/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: every row of nodes.def is a function, and a method of its first input. */
#include <string.h>

#include "lib/graph/parser.h"

/* Other names that NumPy's users know. */
static const struct {
    const char *name;
    enum hg_graph_kind kind;
} aliases[] = {
    {"abs", HG_GRAPH_KIND_ABSOLUTE},       {"amin", HG_GRAPH_KIND_AMIN},
    {"amax", HG_GRAPH_KIND_AMAX},          {"pow", HG_GRAPH_KIND_POWER},
    {"concat", HG_GRAPH_KIND_CONCATENATE},
};

/* A call as it is read. */
struct call {
    const struct hg_lexeme *name;
    const struct hg_graph_kind_info *info;
    struct hg_graph_node node;
};

static enum hg_graph_kind find_function(const struct hg_lexeme *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (hg_lexeme_is(name, aliases[i].name)) {
            return aliases[i].kind;
        }
    }
    enum hg_graph_kind kind = hg_graph_kind_find(name->start, name->length);
    bool callable = kind != HG_GRAPH_KIND_COUNT &&
                    hg_graph_kind_info(kind)->class != HG_GRAPH_SOURCE &&
                    hg_graph_kind_info(kind)->class != HG_GRAPH_INTERNAL;
    return callable ? kind : HG_GRAPH_KIND_COUNT;
}

static enum hg_status add_input(struct hg_parser *parser, struct call *call, const char *at,
                                uint32_t input)
{
    if (call->node.input_count == call->info->inputs_max) {
        return hg_parse_fail(parser, at, "%s takes at most %u values", call->info->name,
                             call->info->inputs_max);
    }
    call->node.inputs[call->node.input_count++] = input;
    return HG_OK;
}

static enum hg_status parse_value(struct hg_parser *parser, struct call *call)
{
    const char *at = parser->lexer.lexeme.start;
    uint32_t input;
    enum hg_status status = hg_parse_expression(parser, &input);
    return status == HG_OK ? add_input(parser, call, at, input) : status;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Takes what opens a list, and gives what closes it; NULL if none was there. */
static const char *open_list(struct hg_parser *parser)
{
    return hg_parse_accept(parser, "(") ? ")" : hg_parse_accept(parser, "[") ? "]" : NULL;
}

/* concatenate((a, b), axis=1) */
static enum hg_status parse_values(struct hg_parser *parser, struct call *call)
{
    const char *close = open_list(parser);
    if (close == NULL) {
        return hg_parse_unexpected(parser, "a list of values: (a, b) or [a, b]");
    }
    enum hg_status status = parse_value(parser, call);
    while (status == HG_OK && hg_parse_accept(parser, ",")) {
        if (!hg_lexeme_is(&parser->lexer.lexeme, close)) {
            status = parse_value(parser, call);
        }
    }
    return status == HG_OK ? hg_parse_expect(parser, close) : status;
}

/* Sizes or axes: (2, -1), [2, -1], or without brackets to the end of the call. */
static enum hg_status parse_sizes(struct hg_parser *parser, struct call *call)
{
    bool axes = (call->info->attributes & HG_GRAPH_AXES) != 0;
    bool reshape = call->node.kind == HG_GRAPH_KIND_RESHAPE;
    const char *close = open_list(parser);
    const char *end = close != NULL ? close : ")";
    do {
        const char *at = parser->lexer.lexeme.start;
        if (hg_lexeme_is(&parser->lexer.lexeme, end)) {
            break;
        }
        int64_t size;
        enum hg_status status =
            hg_parse_integer(parser, axes ? "an axis" : "a size", reshape ? -1 : 0,
                             axes ? HG_GRAPH_RANK_MAX - 1 : (int64_t)HG_GRAPH_SIZE_MAX, &size);
        if (status != HG_OK) {
            return status;
        }
        if (call->node.rank == HG_GRAPH_RANK_MAX) {
            return hg_parse_fail(parser, at, "at most %d of them", HG_GRAPH_RANK_MAX);
        }
        call->node.sizes[call->node.rank++] = size < 0 ? HG_GRAPH_SIZE_OPEN : (uint64_t)size;
    } while (hg_parse_accept(parser, ","));
    return close != NULL ? hg_parse_expect(parser, close) : HG_OK;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static enum hg_status parse_axis(struct hg_parser *parser, struct call *call)
{
    int64_t axis = 0;
    if (hg_parse_accept(parser, "None")) {
        return HG_OK;
    }
    enum hg_status status =
        hg_parse_integer(parser, "axis", -HG_GRAPH_RANK_MAX, HG_GRAPH_RANK_MAX - 1, &axis);
    call->node.axis = (int32_t)axis;
    return status;
}

static enum hg_status parse_keepdims(struct hg_parser *parser, struct call *call)
{
    call->node.keepdims = hg_lexeme_is(&parser->lexer.lexeme, "True");
    if (!call->node.keepdims && !hg_lexeme_is(&parser->lexer.lexeme, "False")) {
        return hg_parse_unexpected(parser, "True or False");
    }
    hg_lexer_advance(&parser->lexer);
    return HG_OK;
}

static enum hg_status parse_real(struct hg_parser *parser, struct call *call)
{
    return hg_parse_number(parser, &call->node.number);
}

static enum hg_status parse_dtype(struct hg_parser *parser, struct call *call)
{
    enum hg_dtype type = HG_F32;
    enum hg_status status = hg_parse_type(parser, &type);
    call->node.type = (uint8_t)type;
    return status;
}

/* Keyword arguments; of those with a place of their own, it is the one after the values. */
static const struct {
    const char *keyword;
    uint32_t attribute;
    bool placed;
    enum hg_status (*parse)(struct hg_parser *parser, struct call *call);
} keywords[] = {
    {"axis", HG_GRAPH_AXIS, true, parse_axis},
    {"axes", HG_GRAPH_AXES, true, parse_sizes},
    {"shape", HG_GRAPH_SHAPE, true, parse_sizes},
    {"dtype", HG_GRAPH_TYPE, true, parse_dtype},
    {"keepdims", HG_GRAPH_KEEPDIMS, false, parse_keepdims},
    {"eps", HG_GRAPH_EPS, false, parse_real},
    {"temperature", HG_GRAPH_TEMPERATURE, false, parse_real},
};
#define KEYWORD_COUNT (sizeof keywords / sizeof keywords[0])

static size_t find_keyword(const struct call *call, const struct hg_lexeme *lexeme)
{
    size_t i = 0;
    while (i < KEYWORD_COUNT && !((call->info->attributes & keywords[i].attribute) != 0 &&
                                  hg_lexeme_is(lexeme, keywords[i].keyword))) {
        i++;
    }
    return i;
}

/* Of attributes without their keyword. */
static size_t find_placed(const struct call *call)
{
    size_t i = 0;
    while (i < KEYWORD_COUNT &&
           !(keywords[i].placed && (call->info->attributes & keywords[i].attribute) != 0)) {
        i++;
    }
    return i;
}

/* True if a keyword and its `=` are next; takes them then. */
static bool accept_keyword(struct hg_parser *parser, const struct call *call, size_t *keyword)
{
    *keyword = find_keyword(call, &parser->lexer.lexeme);
    struct hg_lexer ahead = parser->lexer;
    hg_lexer_advance(&ahead);
    if (*keyword == KEYWORD_COUNT || !hg_lexeme_is(&ahead.lexeme, "=")) {
        return false;
    }
    parser->lexer = ahead;
    hg_lexer_advance(&parser->lexer);
    return true;
}

static enum hg_status parse_argument(struct hg_parser *parser, struct call *call)
{
    size_t keyword;
    if (accept_keyword(parser, call, &keyword)) {
        return keywords[keyword].parse(parser, call);
    }
    bool list = call->node.kind == HG_GRAPH_KIND_CONCATENATE;
    if (list && call->node.input_count == 0) {
        return parse_values(parser, call);
    }
    if (!list && call->node.input_count < call->info->inputs_max) {
        return parse_value(parser, call);
    }
    size_t placed = find_placed(call);
    if (placed == KEYWORD_COUNT) {
        return hg_parse_fail(parser, parser->lexer.lexeme.start, "%s takes at most %u values",
                             call->info->name, call->info->inputs_max);
    }
    return keywords[placed].parse(parser, call);
}

static enum hg_status check_arguments(struct hg_parser *parser, const struct call *call, bool typed)
{
    const char *at = call->name->start;
    if (call->node.input_count < call->info->inputs_min) {
        return hg_parse_fail(parser, at, "%s takes %u value%s, got %u", call->info->name,
                             call->info->inputs_min, call->info->inputs_min == 1 ? "" : "s",
                             call->node.input_count);
    }
    if ((call->info->attributes & HG_GRAPH_TYPE) != 0 && !typed) {
        return hg_parse_fail(parser, at, "%s needs a type, as f32", call->info->name);
    }
    return HG_OK;
}

/* f16(x) is x.astype(f16). */
static bool is_cast(const struct hg_lexeme *name, struct call *call)
{
    enum hg_dtype type;
    if (!hg_dtype_parse(name->start, (uint32_t)name->length, &type)) {
        return false;
    }
    hg_graph_node_init(&call->node, HG_GRAPH_KIND_CAST);
    call->node.type = (uint8_t)type;
    return true;
}

enum hg_status hg_parse_call(struct hg_parser *parser, const struct hg_lexeme *name, uint32_t self,
                             uint32_t *node)
{
    struct call call = {.name = name};
    bool typed = is_cast(name, &call);
    enum hg_graph_kind kind = typed ? HG_GRAPH_KIND_CAST : find_function(name);
    if (kind == HG_GRAPH_KIND_COUNT) {
        return hg_parse_fail(parser, name->start, "there is no function '%.*s'",
                             (int)(name->length < 64 ? name->length : 64), name->start);
    }
    call.info = hg_graph_kind_info(kind);
    if (!typed) {
        hg_graph_node_init(&call.node, kind);
        call.node.type = HG_GRAPH_TYPE_OPEN;
    }
    enum hg_status status =
        self != UINT32_MAX ? add_input(parser, &call, name->start, self) : HG_OK;
    if (status == HG_OK) {
        status = hg_parse_expect(parser, "(");
    }
    bool more = status == HG_OK && !hg_lexeme_is(&parser->lexer.lexeme, ")");
    while (more) {
        status = parse_argument(parser, &call);
        more = status == HG_OK && hg_parse_accept(parser, ",") &&
               !hg_lexeme_is(&parser->lexer.lexeme, ")");
    }
    if (status == HG_OK) {
        status = hg_parse_expect(parser, ")");
    }
    if (status == HG_OK) {
        status = check_arguments(parser, &call, typed || call.node.type != HG_GRAPH_TYPE_OPEN);
    }
    if (status != HG_OK) {
        return status;
    }
    if ((call.info->attributes & HG_GRAPH_TYPE) == 0) {
        call.node.type = 0;
    }
    return hg_parse_add(parser, &call.node, name->start, node);
}
