/* Where a run is: one line that is redrawn on a terminal, log lines elsewhere. There is one standard error, so there is
 * one of this. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <modnas/modnas.h>

void progress_start(int quiet);                               /* look at standard error; quiet: show nothing at all */
int progress_step(const modnas_progress *p, void *ud);        /* a modnas_progress_fn */
void progress_log(int32_t level, const char *text, void *ud); /* a modnas_log_fn */
void progress_end(void);                                      /* and an empty line before what follows */
void progress_clear(void);                                    /* take the line away; safe at any time */
int progress_width(int fd);                                   /* columns: $COLUMNS, else the terminal's, else 80 */
const char *progress_time(double seconds, char *buf, size_t bytes); /* "4:32", "1:02:10" */

#endif
