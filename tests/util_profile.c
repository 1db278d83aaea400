#include "util_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int util_profile(const char *yaml, const modnas_profile_opts *opts, char **text) {
    modnas_config *cfg = NULL;
    int rc = modnas_config_new(rig.ctx, &cfg);
    if (!rc) rc = modnas_config_add_text(cfg, yaml, strlen(yaml), "t.yaml");
    if (!rc) rc = modnas_profile(cfg, opts, text);
    modnas_config_free(cfg);
    return rc;
}

void util_profile_answer(const char *jobs, int without, const char *more) {
    FILE *f = fopen("m.tsv", "w");
    ck_assert_ptr_nonnull(f);
    fputs("job\tdevice\tlatency_ms\n", f);
    int i = 0;
    for (const char *line = strchr(jobs, '\n') + 1; *line; line = strchr(line, '\n') + 1, i++)
        if (i + 2 != without) fprintf(f, "%.*s\tphone\t%d.5\n", (int)strcspn(line, "\t"), line, i);
    fputs(more, f);
    fclose(f);
}

double util_profile_ms(const char *table, const char *place) {
    const char *row = strstr(table, place);
    ck_assert_msg(row != NULL, "no %s in %s", place, table);
    return atof(row + strlen(place));
}
