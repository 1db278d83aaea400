/* What a verification says, statement by statement. */
#include <string.h>

#include "bundle/bundle.h"

static const char *const words[MN_N_VERDICTS] = {"holds", "does not hold", "could not be checked"};

void mn_findings_init(mn_findings *f, modnas_ctx *ctx) {
    *f = (mn_findings){.ctx = ctx};
    mn_vec_init(&f->list, sizeof(mn_finding));
}

static void free_finding(modnas_ctx *ctx, const mn_finding *x) {
    char *const texts[] = {x->what, x->stated, x->found, x->why};
    for (size_t i = 0; i < MN_COUNT(texts); i++) mn_free(ctx, texts[i]);
}

void mn_findings_free(mn_findings *f) {
    for (size_t i = 0; i < f->list.n; i++) free_finding(f->ctx, &MN_AT(f->list, mn_finding, i));
    mn_vec_free(f->ctx, &f->list);
}

/* NULL is copied, too. */
static int copy_text(modnas_ctx *ctx, const char *text, char **out) {
    *out = text ? mn_strdup(ctx, text) : NULL;
    return text && !*out ? MODNAS_ENOMEM : 0;
}

int mn_findings_add(mn_findings *f, int32_t verdict, const char *what, const char *stated, const char *found,
                    const char *why) {
    mn_finding x = {.verdict = verdict};
    int rc = copy_text(f->ctx, what, &x.what);
    if (!rc) rc = copy_text(f->ctx, stated, &x.stated);
    if (!rc) rc = copy_text(f->ctx, found, &x.found);
    if (!rc) rc = copy_text(f->ctx, why && *why ? why : NULL, &x.why);
    if (!rc && !mn_vec_push(f->ctx, &f->list, &x, 1)) rc = MODNAS_ENOMEM;
    if (rc)
        free_finding(f->ctx, &x);
    else
        f->n[verdict]++;
    return rc;
}

int mn_findings_take(mn_findings *f, int32_t verdict, const char *what, mn_str *stated, mn_str *found,
                     const char *why) {
    const int rc = stated->failed || found->failed ? MODNAS_ENOMEM
                                                   : mn_findings_add(f, verdict, what, stated->text, found->text, why);
    mn_str_free(stated);
    mn_str_free(found);
    return rc;
}

int mn_findings_fail(mn_findings *f, int32_t verdict, const char *what, int rc) {
    if (rc == MODNAS_ENOMEM || rc == MODNAS_ECANCELED || rc > 0) return rc;
    return mn_findings_add(f, verdict, what, NULL, NULL, modnas_errmsg(f->ctx));
}

int32_t mn_findings_hold(const mn_findings *f) {
    return f->n[MN_HOLDS] == f->list.n;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void add_member(mn_str *s, const char *key, const char *json) {
    mn_str_addf(s, ",\"%s\":%s", key, json ? json : "null");
}

void mn_findings_json(mn_str *s, const mn_findings *f, const char *bundle) {
    mn_str_add(s, "{\"bundle\":");
    mn_str_json(s, bundle);
    add_member(s, "holds", mn_findings_hold(f) ? "true" : "false");
    add_member(s, "exact", !f->is_measured ? NULL : f->is_exact ? "true" : "false");
    mn_str_add(s, ",\"statements\":[");
    for (size_t i = 0; i < f->list.n; i++) {
        const mn_finding *x = &MN_AT(f->list, mn_finding, i);
        mn_str_add(s, i ? ",{\"what\":" : "{\"what\":");
        mn_str_json(s, x->what);
        mn_str_addf(s, ",\"verdict\":\"%s\"", words[x->verdict]);
        add_member(s, "stated", x->stated);
        add_member(s, "found", x->found);
        mn_str_add(s, ",\"why\":");
        if (x->why)
            mn_str_json(s, x->why);
        else
            mn_str_add(s, "null");
        mn_str_add(s, "}");
    }
    mn_str_add(s, "]}\n");
}

static void add_line(mn_str *s, const mn_finding *x) {
    mn_str_addf(s, "%-20s  %s", words[x->verdict], x->what);
    if (x->verdict == MN_HOLDS) {
        if (x->stated) mn_str_addf(s, ": %s", x->stated);
    } else {
        if (x->stated) mn_str_addf(s, ": stated %s", x->stated);
        if (x->found) mn_str_addf(s, "%s found %s", x->stated ? "," : ":", x->found);
        if (x->why) mn_str_addf(s, "%s %s", x->stated || x->found ? ";" : ":", x->why);
    }
    mn_str_add(s, "\n");
}

void mn_findings_text(mn_str *s, const mn_findings *f, const char *bundle) {
    mn_str_addf(s, "%s\n", bundle);
    for (size_t i = 0; i < f->list.n; i++) add_line(s, &MN_AT(f->list, mn_finding, i));
    if (f->is_measured)
        mn_str_addf(s, "measured again %s\n",
                    f->is_exact ? "as it was before: numbers have to be the same"
                                : "with another backend, version, instruction set or number of threads: numbers may differ a little");
    mn_str_addf(s, "%zu hold, %zu do not, %zu could not be checked\n", f->n[MN_HOLDS], f->n[MN_HOLDS_NOT],
                f->n[MN_UNCHECKED]);
    for (char *c = s->failed ? NULL : s->text; c && *c; c++) /* names in a file may hold what a terminal obeys */
        if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f) *c = '?';
}
