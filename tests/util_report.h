/* Reports of runs, and whether a page is whole and needs nothing but itself. */
#ifndef UTIL_REPORT_H
#define UTIL_REPORT_H

/* Of exp/t in the rig's folder; freed with modnas_string_free. latency_table may be NULL. */
char *util_report_page(const char *latency_table);

/* As XML is, so that every reader takes it the same way: tags are closed, in order; attributes are name="value"; & and <
 * are never bare. */
void util_markup_check(const char *html);
/* Nothing is fetched, nothing is run. */
void util_markup_closed(const char *html);
void util_markup_has(const char *html, const char *text);

#endif
