/* malloc, calloc, realloc and free, interposed in the program that links torture_malloc.c: one chosen call fails, all
 * blocks are counted. */
#ifndef TORTURE_MALLOC_H
#define TORTURE_MALLOC_H

#include <stddef.h>
#include <stdint.h>

enum torture_outcome {
    TORTURE_NOT_REACHED, /* fewer calls were made */
    TORTURE_FAILED,      /* the call returned NULL with errno ENOMEM */
    TORTURE_EXCUSED      /* it was let through, see torture_malloc.c */
};

/* From now on the n-th call (0: the next; negative: none) fails, once. */
void torture_arm(int64_t n);
/* Nothing fails from here on: what became of the call. */
int torture_disarm(int64_t *n_calls); /* n_calls: since torture_arm; may be NULL */
int64_t torture_live(void);           /* blocks that the process holds; not to be relied on above a sanitizer */

int torture_is_instrumented(void); /* is a sanitizer below? Some of its calls (strdup, operator new) pass malloc by */

/* A symbol of a library that is loaded already, named by how its file name begins; NULL if it is not. Leaves no block
 * behind. */
void *torture_symbol(const char *library, const char *name);

/* The allocator below malloc: not counted, never fails. */
void *torture_realloc(void *ptr, size_t bytes);

#endif
