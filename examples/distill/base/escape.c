#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE = 4 }; // \xHH

static bool is_control(uint32_t character) {
    return character < ' ' || (character >= 0x7f && character < 0xa0);
}

// Bytes of the UTF-8 character that begins here; 0 for other bytes, and for control characters.
// Each length has a least value: longer forms of it, surrogates and what Unicode does not have are
// no UTF-8.
static size_t character_length(const unsigned char *c) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = *c < 0x80       ? 1
                          : *c >> 5 == 6  ? 2
                          : *c >> 4 == 14 ? 3
                          : *c >> 3 == 30 ? 4
                                          : 0;
    uint32_t value = length < 2 ? *c : *c & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (c[i] >> 6 != 2) return 0; // the 0 at the end among them
        value = value << 6 | (c[i] & 0x3fU);
    }
    const bool known =
        value >= least[length] && value < 0x110000 && (value < 0xd800 || value > 0xdfff);
    return known && !is_control(value) ? length : 0;
}

void escape_text(char *to, size_t size, const char *from) {
    const unsigned char *c = (const unsigned char *)from;
    size_t used = 0;
    while (*c) {
        const size_t length = character_length(c), room = length ? length : ESCAPE;
        if (used + room >= size) break;
        if (length)
            memcpy(to + used, c, length);
        else
            snprintf(to + used, ESCAPE + 1, "\\x%02x", *c);
        used += room;
        c += length ? length : 1;
    }
    if (size) to[used] = '\0';
}

char *escaped_copy(const char *text) {
    const size_t size = ESCAPE * strlen(text) + 1;
    char *copy = malloc(size);
    if (copy) escape_text(copy, size, text);
    return copy;
}

// The byte of \xHH; 0 for other text, and for bytes that are never escaped.
static unsigned char escaped_byte(const char *text) {
    if (text[0] != '\\' || text[1] != 'x' || strspn(text + 2, "0123456789abcdef") < 2) return 0;
    const char digits[] = {text[2], text[3], '\0'};
    const unsigned long byte = strtoul(digits, NULL, 16);
    return byte >= 0x80 || is_control((uint32_t)byte) ? (unsigned char)byte : 0;
}

void unescape_text(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        const unsigned char byte = escaped_byte(from);
        *to++ = byte ? (char)byte : *from;
        from += byte ? ESCAPE : 1;
    }
    *to = '\0';
}
