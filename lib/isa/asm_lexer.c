/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of the assembler's text, and errors that name their place in it. */
#include <stdio.h>
#include <string.h>

#include "lib/isa/asm.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_char(char c)
{
    return is_letter(c) || is_digit(c) || c == '.';
}

static const char *word_end(const char *at, const char *end)
{
    while (at < end && is_word_char(*at)) {
        at++;
    }
    return at;
}

/* A number runs over the sign of its exponent: 1e-5, 0x1p-3. */
static const char *number_end(const char *start, const char *end)
{
    bool hex = end - start > 1 && start[0] == '0' && (start[1] == 'x' || start[1] == 'X');
    const char *at = start;
    while (at < end) {
        bool exponent = hex ? *at == 'p' || *at == 'P' : *at == 'e' || *at == 'E';
        if (!is_word_char(*at)) {
            break;
        }
        at++;
        if (exponent && at < end && (*at == '+' || *at == '-')) {
            at++;
        }
    }
    return at;
}

/* Skips blanks and comments, which run from `;`, `#` or `//` to the end of the line. */
static const char *skip(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) {
        at++;
    }
    bool comment =
        at < end && (*at == ';' || *at == '#' || (*at == '/' && end - at > 1 && at[1] == '/'));
    while (comment && at < end && *at != '\n') {
        at++;
    }
    return at;
}

/* Kind of the token at AT, and where it ends. */
static enum hg_token_kind scan(const char *at, const char *end, const char **token_end)
{
    static const char phi[] = "\xce\xa6"; /* Φ in UTF-8 */
    static const char marks[] = {',', ':', '[', ']', '(', ')', '+', '-', '*', '/', '%', '='};
    *token_end = at;
    if (at == end) {
        return HG_TOKEN_END;
    }
    *token_end = at + 1;
    if (*at == '\n') {
        return HG_TOKEN_LINE;
    }
    bool more = end - at > 1;
    if (is_letter(*at)) {
        *token_end = word_end(at, end);
        return HG_TOKEN_WORD;
    }
    if (is_digit(*at)) {
        *token_end = number_end(at, end);
        return HG_TOKEN_NUMBER;
    }
    if (more && (*at == '@' || *at == '.') && is_letter(at[1])) {
        *token_end = word_end(at + 1, end);
        return *at == '@' ? HG_TOKEN_TARGET : HG_TOKEN_DIRECTIVE;
    }
    if (more && memcmp(at, phi, 2) == 0) {
        *token_end = at + 2;
        return HG_TOKEN_PHI;
    }
    return memchr(marks, *at, sizeof marks) != NULL ? HG_TOKEN_MARK : HG_TOKEN_INVALID;
}

void hg_asm_advance(struct hg_assembler *assembler)
{
    const char *start = skip(assembler->next, assembler->end);
    enum hg_token_kind kind = scan(start, assembler->end, &assembler->next);
    if (kind == HG_TOKEN_TARGET) {
        start++;
    }
    assembler->token = (struct hg_token){kind, start, (uint32_t)(assembler->next - start)};
}

bool hg_asm_is_mark(const struct hg_assembler *assembler, char mark)
{
    return assembler->token.kind == HG_TOKEN_MARK && *assembler->token.start == mark;
}

bool hg_asm_is_word(const struct hg_assembler *assembler, const char *word)
{
    return assembler->token.kind == HG_TOKEN_WORD && assembler->token.length == strlen(word) &&
           memcmp(assembler->token.start, word, assembler->token.length) == 0;
}

bool hg_asm_accept(struct hg_assembler *assembler, char mark)
{
    if (!hg_asm_is_mark(assembler, mark)) {
        return false;
    }
    hg_asm_advance(assembler);
    return true;
}

enum hg_status hg_asm_expect(struct hg_assembler *assembler, char mark)
{
    const char expected[] = {'\'', mark, '\'', '\0'};
    return hg_asm_accept(assembler, mark) ? HG_OK : hg_asm_unexpected(assembler, expected);
}

enum hg_status hg_asm_fail(struct hg_assembler *assembler, const char *at, const char *format, ...)
{
    char reason[200];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    unsigned line = 1;
    unsigned column = 1;
    for (const char *c = assembler->text; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*c & 0xc0) != 0x80) {
            column++; /* characters count, not the bytes that continue them */
        }
    }
    return hg_fail(assembler->error, HG_INVALID_ARGUMENT, "line %u, column %u: %s", line, column,
                   reason);
}

enum hg_status hg_asm_unexpected(struct hg_assembler *assembler, const char *expected)
{
    const struct hg_token *token = &assembler->token;
    int shown = token->length < 40 ? (int)token->length : 40;
    switch (token->kind) {
    case HG_TOKEN_END:
    case HG_TOKEN_LINE:
        return hg_asm_fail(assembler, token->start, "expected %s, not the end of the line",
                           expected);
    case HG_TOKEN_INVALID:
        return hg_asm_fail(assembler, token->start, "expected %s, not byte 0x%02x", expected,
                           (unsigned char)*token->start);
    default:
        return hg_asm_fail(assembler, token->start, "expected %s, not '%.*s'", expected, shown,
                           token->start);
    }
}
