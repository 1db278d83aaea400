/* Tables: text whose lines are fields with tabs between them; the first line names the columns.
 *
 * A carriage return in front of a line end is dropped, the last line needs no line end, there are no quotes. */
#ifndef MN_TABLE_H
#define MN_TABLE_H

#include "data/source.h"

/* Look at a table line by line, from the names (line 1) on; fields live during the call. A status that is not 0 ends
 * the walk and is returned. A line with more or fewer fields than there are columns is left out; all of them are
 * counted, and MODNAS_EFORMAT names the first ones.
 * @return 0; MODNAS_EFORMAT ("file:line: what", also for text that is no UTF-8, control characters, columns without a
 * name or of the same name), MODNAS_EIO, MODNAS_ENOMEM */
typedef int (*mn_table_fn)(size_t line, const char *const *fields, size_t n_fields, void *ud);
int mn_table_walk(modnas_ctx *ctx, mn_source *s, mn_table_fn fn, void *ud);

#endif
