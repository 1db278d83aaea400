/* The page of a report: text and numbers in it, and its frame.
 *
 * What stands in a file is never markup here: all of it goes through mn_html_text or mn_html_say. The page asks nothing
 * of a network and runs no script; a policy in its head says so to the browser. */
#ifndef MN_HTML_H
#define MN_HTML_H

#include "base/base.h"

enum { MN_HTML_TEXT = 600 }; /* bytes of a text from a file, in running text */

/* Escaped; what is longer is cut and ends with dots; bytes that are no text become U+FFFD. */
void mn_html_text(mn_str *s, const char *text, size_t most);
/* <tag>...</tag> around what the format gives, escaped. tag may have attributes: "p class=\"note\"". */
void mn_html_say(mn_str *s, const char *tag, const char *fmt, ...) MN_PRINTF(3, 4);

/* A number to be read, with the exact one beside it for programs: <data value="0.8936666666666667">0.89367</data>. Not
 * finite: a dash. */
void mn_html_number(mn_str *s, double x);
/* The same as text alone, into buf: 0.89367, 14,834,106, 1.2e-5; returns buf. Independent of the locale. */
char *mn_html_readable(double x, char buf[48]);
/* Of so many significant digits, with a unit of thousands, for axes and bars: 12.5M. */
char *mn_html_short(double x, int digits, char buf[48]);
double mn_html_round(double x, int digits); /* to so many significant ones */

void mn_html_begin(mn_str *s, const char *title);
void mn_html_end(mn_str *s);
void mn_html_section(mn_str *s, const char *id, const char *title);
void mn_html_section_end(mn_str *s);
/* A table's row of cells; `head`: names of columns. Cells are texts from files. */
void mn_html_row(mn_str *s, int head, const char *const *cells, size_t n);
void mn_html_table(mn_str *s); /* in a box that scrolls where it is too wide */
void mn_html_table_end(mn_str *s);

#endif
