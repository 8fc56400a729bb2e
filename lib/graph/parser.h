/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the language: tokens, names and the parser's state (private to lib/graph).
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_PARSER_H
#define HG_LIB_GRAPH_PARSER_H

#include <stddef.h>

#include "lib/graph/language.h"

enum hg_lexeme_kind {
    HG_LEXEME_END,
    HG_LEXEME_LINE, /* end of a statement: a line's end outside brackets, or `;` */
    HG_LEXEME_NAME,
    HG_LEXEME_NUMBER,
    HG_LEXEME_MARK, /* one of the operators and brackets */
    HG_LEXEME_INVALID
};

struct hg_lexeme {
    enum hg_lexeme_kind kind;
    const char *start;
    size_t length;
};

struct hg_lexer {
    const char *text;
    const char *end;
    const char *next;
    uint32_t brackets; /* open ones: inside them lines run on */
    struct hg_lexeme lexeme;
};

void hg_lexer_init(struct hg_lexer *lexer, const char *text, size_t length);
/* Makes the next lexeme the current one. */
void hg_lexer_advance(struct hg_lexer *lexer);
bool hg_lexeme_is(const struct hg_lexeme *lexeme, const char *mark_or_name);

/* What a name stands for at this point of the text. */
struct hg_binding {
    const char *name;
    size_t length;
    uint32_t node;
    bool assigned; /* by a statement; else an input */
    bool read;     /* since then */
};

struct hg_parser {
    struct hg_lexer lexer;
    struct hg_graph *graph;
    struct hg_binding *bindings;
    uint32_t binding_count;
    uint32_t binding_capacity;
    uint32_t depth;
    bool returned; /* by a statement */
    struct hg_error *error;
};

/* Fails with "line L, column C: …" at AT, a place in the text. */
HG_MUST_CHECK enum hg_status hg_parse_fail(const struct hg_parser *parser, const char *at,
                                           const char *format, ...) HG_PRINTF(3, 4);
/* Fails with "expected EXPECTED, not LEXEME". */
HG_MUST_CHECK enum hg_status hg_parse_unexpected(const struct hg_parser *parser,
                                                 const char *expected);
/* Takes MARK if it is next. */
bool hg_parse_accept(struct hg_parser *parser, const char *mark);
/* Takes MARK or fails. */
HG_MUST_CHECK enum hg_status hg_parse_expect(struct hg_parser *parser, const char *mark);

/* Adds NODE, which was written at AT; the graph's errors get that place. */
HG_MUST_CHECK enum hg_status hg_parse_add(struct hg_parser *parser, struct hg_graph_node *node,
                                          const char *at, uint32_t *index);

/* The binding of a name; NULL if it has none yet. */
struct hg_binding *hg_parse_binding(struct hg_parser *parser, const char *name, size_t length);
/* Binds a name anew. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_parse_bind(struct hg_parser *parser, const char *name,
                                           size_t length, uint32_t node, bool assigned);

/* number.c: a number from 0 on, or a type by its name. */
HG_MUST_CHECK enum hg_status hg_parse_literal(struct hg_parser *parser,
                                              struct hg_graph_node *literal);
/* Takes an integer that may be negative; it must be in LEAST .. MOST. WHAT names it in errors. */
HG_MUST_CHECK enum hg_status hg_parse_integer(struct hg_parser *parser, const char *what,
                                              int64_t least, int64_t most, int64_t *value);
/* Takes a number that may be negative. */
HG_MUST_CHECK enum hg_status hg_parse_number(struct hg_parser *parser, double *value);
HG_MUST_CHECK enum hg_status hg_parse_type(struct hg_parser *parser, enum hg_dtype *type);

/* expression.c */
HG_MUST_CHECK enum hg_status hg_parse_expression(struct hg_parser *parser, uint32_t *node);
/* A node of KIND from two others, at AT. */
HG_MUST_CHECK enum hg_status hg_parse_binary(struct hg_parser *parser, enum hg_graph_kind kind,
                                             uint32_t left, uint32_t right, const char *at,
                                             uint32_t *node);

/* call.c: the arguments of a function, from the bracket on; a method has its first input SELF
 * already (else UINT32_MAX). NAME was written at AT. */
HG_MUST_CHECK enum hg_status hg_parse_call(struct hg_parser *parser, const struct hg_lexeme *name,
                                           uint32_t self, uint32_t *node);

#endif
