// Names are bytes: a folder's may hold control characters or be no UTF-8, which no JSON, no
// safetensors header and no terminal takes. Wherever a name is written, such a byte becomes \xHH,
// as Python's "backslashreplace" writes it.
#ifndef DISTILL_ESCAPE_H
#define DISTILL_ESCAPE_H

#include <stddef.h>

// At most `size` bytes with the 0 behind them; what does not fit is left out, never a part of a
// character.
void escape_text(char *to, size_t size, const char *from);

// To be freed; NULL when there is no memory.
char *escaped_copy(const char *text);

// Back to the bytes, in place: for the name of a file that was read from JSON. \xHH of an ordinary
// character stays.
void unescape_text(char *text);

#endif
