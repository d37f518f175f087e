// Text for HTML and SVG.
#ifndef DISTILL_HTML_H
#define DISTILL_HTML_H

#include <stdio.h>

// The text with & < > " ' as entities; control characters are left out.
void html_text(FILE *out, const char *text);

#endif
