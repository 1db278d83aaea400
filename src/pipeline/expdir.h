/* The folder of a run: exp/NAME/{logs,chkpt,outputs}. */
#ifndef MN_EXPDIR_H
#define MN_EXPDIR_H

#include <dirent.h>

#include "config/node.h"

typedef struct mn_expdir {
    modnas_ctx *ctx;
    char *name, *path;    /* NAME; root_dir/NAME */
    int lock;             /* descriptor that holds the lock; -1: none */
    int log;              /* descriptor of the log file; -1: none */
    modnas_log_fn log_fn; /* the host's, while the log file takes lines too */
    void *log_ud;
    int32_t log_level;
} mn_expdir;

/* Work out name and path from a configuration (name, expman); nothing is touched. MODNAS_ECONFIG for a name that would
 * leave the root folder. */
int mn_expdir_init(mn_expdir *d, modnas_ctx *ctx, const mn_node *config);
/* Make the folders, take the lock (MODNAS_EBUSY when another run has it), start the log file. MODNAS_EIO. */
int mn_expdir_open(mn_expdir *d);
void mn_expdir_leave(mn_expdir *d); /* end log and lock; opened or not */
void mn_expdir_close(mn_expdir *d); /* leave, and free; zeroed is fine */

void mn_expdir_note(const mn_expdir *d, int32_t level,
                    const char *text); /* a line of the log file alone; none open: nothing */

/* path/FOLDER/BEFORE ESTIM AFTER, freed by the caller; NULL when out of memory. estim may be NULL. */
char *mn_expdir_file(const mn_expdir *d, const char *folder, const char *before, const char *estim, const char *after);
/* Replace a file of outputs/ by the contents of a builder, which is emptied. */
int mn_expdir_write(const mn_expdir *d, const char *before, const char *estim, const char *after, mn_str *text);
/* The next name in an open folder; NULL at its end, with errno 0, and where it cannot be read. */
const char *mn_expdir_next(DIR *folder);
/* 0, or MODNAS_ECONFIG: `what` (of file and line `at`) is used in file names. */
int mn_expdir_check_name(modnas_ctx *ctx, const mn_node *at, const char *what, const char *name);

#endif
