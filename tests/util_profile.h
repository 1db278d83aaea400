/* Profiles in tests, and answers of a device that there is not. */
#ifndef UTIL_PROFILE_H
#define UTIL_PROFILE_H

#include "modnas/profile.h"
#include "util_search.h"

/* Slots of util_small's network on 3x8x8 images: 8 -> 8 stride 2, 8 -> 8, 8 -> 8 stride 2, 8 -> 8 (16 channels at half
 * width), at 8x8, 4x4, 4x4, 2x2. */
static const modnas_profile_opts util_on_8x8 = {.size = sizeof util_on_8x8, .input = {3, 8, 8}, .runs = 5};

int util_profile(const char *yaml, const modnas_profile_opts *opts, char **text);
/* m.tsv: an answer to a list of jobs: the i-th one takes i + 0.5 ms; line `without` of it (0: none) is left out. */
void util_profile_answer(const char *jobs, int without, const char *more);
/* The number behind "\nslot\tcandidate\t". */
double util_profile_ms(const char *table, const char *place);

#endif
