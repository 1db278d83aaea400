/* "Did you mean": the nearest of some names.
 *
 * Edit distance with swaps of neighbours (optimal string alignment), case ignored, '-' and '_' alike. A name is near
 * when at most a third of the word's letters, and three, are wrong. */
#include <string.h>

#include "base/base.h"

enum { WORD_MAX = 64 };

static char fold(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b) {
    const size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX) return SIZE_MAX;
    size_t row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= nb; j++) row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[i % 3];
        const size_t *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const char ca = fold(a[i - 1]), cb = fold(b[j - 1]);
            now[j] = least(up[j - 1] + (ca != cb), least(up[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && ca == fold(b[j - 2]) && cb == fold(a[i - 2])) now[j] = least(now[j], up2[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

const char *mn_suggest(const char *word, const char *const *names, size_t n) {
    const char *best = NULL;
    size_t best_distance = least(strlen(word) / 3, 3) + 1; /* the first that is too far */
    for (size_t i = 0; i < n; i++) {
        const size_t d = distance(word, names[i]);
        if (d >= best_distance) continue;
        best_distance = d;
        best = names[i];
    }
    return best;
}
