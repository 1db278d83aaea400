/* Searches that tests interrupt: small, of every kind that there is, over in a moment. */
#ifndef UTIL_RESUME_H
#define UTIL_RESUME_H

#include <stddef.h>

typedef struct util_resume {
    const char *name, *yaml; /* without backend and threads */
    int is_killed;           /* 1: by test_kill, too */
} util_resume;

/* To add a search to all tests of resuming is to add a row. */
extern const util_resume util_resumes[];
extern const size_t util_n_resumes;
/* t.tsv, which some of them search in, in the folder that the test is in. */
void util_resume_table(void);
void util_resume_setup(void); /* rig_setup, and t.tsv */

/* Run in the rig, with a wish to stop at progress call `at` (0: none); n: calls that were made; may be NULL. */
int util_resume_run(const char *yaml, const char *const *over, int at, int resume, int *n);

#endif
