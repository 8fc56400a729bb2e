/* SPDX-License-Identifier: Apache-2.0 */
/* Lexemes of the language of graphs. */
#include <string.h>

#include "lib/graph/parser.h"

void hg_lexer_init(struct hg_lexer *lexer, const char *text, size_t length)
{
    *lexer = (struct hg_lexer){.text = text, .end = text + length, .next = text};
    hg_lexer_advance(lexer);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number runs over the sign of its exponent. */
static const char *number_end(const char *at, const char *end)
{
    while (at < end && (is_digit(*at) || is_letter(*at) || *at == '.')) {
        bool exponent = *at == 'e' || *at == 'E';
        at++;
        if (exponent && at < end && (*at == '+' || *at == '-')) {
            at++;
        }
    }
    return at;
}

static const char *name_end(const char *at, const char *end)
{
    while (at < end && (is_letter(*at) || is_digit(*at))) {
        at++;
    }
    return at;
}

/* Skips blanks and comments; inside brackets, and behind a backslash, ends of lines as well. */
static const char *skip(const struct hg_lexer *lexer)
{
    const char *at = lexer->next;
    while (at < lexer->end) {
        bool joined = *at == '\\' && lexer->end - at > 1 && at[1] == '\n';
        if (*at == '#') {
            while (at < lexer->end && *at != '\n') {
                at++;
            }
        } else if (joined) {
            at += 2;
        } else if (*at == ' ' || *at == '\t' || *at == '\r' ||
                   (*at == '\n' && lexer->brackets != 0)) {
            at++;
        } else {
            break;
        }
    }
    return at;
}

/* Length of the mark at AT; 0 if there is none. */
static size_t mark_length(const char *at, const char *end)
{
    static const char *const pairs[] = {
        "**", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "/=", "//"};
    static const char singles[] = "+-*/@&|^~<>=()[],.:%!";
    for (size_t i = 0; end - at > 1 && i < sizeof pairs / sizeof pairs[0]; i++) {
        if (memcmp(at, pairs[i], 2) == 0) {
            return 2;
        }
    }
    return memchr(singles, *at, sizeof singles - 1) != NULL ? 1 : 0;
}

static void count_brackets(struct hg_lexer *lexer, char mark)
{
    if (mark == '(' || mark == '[') {
        lexer->brackets++;
    } else if ((mark == ')' || mark == ']') && lexer->brackets != 0) {
        lexer->brackets--;
    }
}

void hg_lexer_advance(struct hg_lexer *lexer)
{
    const char *start = skip(lexer);
    const char *end = lexer->end;
    enum hg_lexeme_kind kind = HG_LEXEME_INVALID;
    const char *next = start + 1;
    if (start == end) {
        kind = HG_LEXEME_END;
        next = start;
    } else if (*start == '\n' || *start == ';') {
        kind = HG_LEXEME_LINE;
    } else if (is_letter(*start)) {
        kind = HG_LEXEME_NAME;
        next = name_end(start, end);
    } else if (is_digit(*start) || (*start == '.' && end - start > 1 && is_digit(start[1]))) {
        kind = HG_LEXEME_NUMBER;
        next = number_end(start, end);
    } else {
        size_t length = mark_length(start, end);
        if (length != 0) {
            kind = HG_LEXEME_MARK;
            next = start + length;
            count_brackets(lexer, *start);
        }
    }
    lexer->next = next;
    lexer->lexeme = (struct hg_lexeme){kind, start, (size_t)(next - start)};
}

bool hg_lexeme_is(const struct hg_lexeme *lexeme, const char *mark_or_name)
{
    return (lexeme->kind == HG_LEXEME_MARK || lexeme->kind == HG_LEXEME_NAME) &&
           strlen(mark_or_name) == lexeme->length &&
           memcmp(lexeme->start, mark_or_name, lexeme->length) == 0;
}
