/* Run a folder of cases through the library: `cases FOLDER BACKEND`.
 *
 * Doubles are computed in double where the backend itself does that, or where a float cannot hold them (then its
 * fall-back runs); else in float.
 *
 * A line a case, "ok|FAIL|skip SUITE/NAME detail", then "N passed, N failed, N skipped". Status 0; 1 when a case
 * failed; 2 when the folder cannot be read, the backend is not there, or the arguments are wrong. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"

/* Does the backend itself, not its fallback, compute in f64? */
static int runs_f64(mn_backend *b) {
    modnas_kernel k;
    memset(&k, 0, sizeof k);
    k.kind = MODNAS_KERNEL_BINARY;
    k.dtype = MODNAS_F64;
    const modnas_tdesc t = {.dims = {1, 1, 1, 1}, .dtype = MODNAS_F64};
    k.src = k.weights = k.dst = t;
    return mn_backend_supports(b, &k);
}

/* Is there a double, or one that no float can hold (a finite number beyond its range)? */
static int has_f64(const cs_case *c, int beyond_f32) {
    for (int32_t i = 0; i < c->n_in + c->n_out; i++) {
        const cs_tensor *t = i < c->n_in ? &c->in[i] : &c->out[i - c->n_in];
        if (t->is_f64 && !beyond_f32) return 1;
        for (int64_t k = 0; k < t->n && t->is_f64; k++)
            if (fabs(t->v[k]) > (double)FLT_MAX && isfinite(t->v[k])) return 1;
    }
    return 0;
}

/* The first attribute that the operator does not know, into key[n]. */
static int unknown_attr(const cs_op *op, const char *attrs, char *key, size_t n) {
    for (const char *at = attrs; op->keys && *at; at += strspn(at, " ")) {
        char padded[64];
        const size_t len = strcspn(at, "= ");
        snprintf(padded, sizeof padded, " %.*s ", (int)(len < 60 ? len : 60), at);
        if (len > 0 && !strstr(op->keys, padded)) {
            snprintf(key, n, "%.*s", (int)(len < 60 ? len : 60), at);
            return 1;
        }
        at += strcspn(at, " ");
    }
    return 0;
}

/* A case is only met when all that it expects was looked at. */
static int all_checked(cs_env *e) {
    int32_t n = 0;
    for (int32_t i = 0; i < e->c->n_out; i++) n += e->c->out[i].given;
    if (n > 0 && e->n_checked >= n) return CS_OK;
    return cs_fail(e, "%d of %d outputs were compared", (int)e->n_checked, (int)n);
}

static int run_case(cs_env *e, const cs_case *c, int f64) {
    char key[64];
    e->c = c;
    e->detail[0] = 0;
    e->worst = 0;
    const int torch = strcmp(c->domain, "torch") == 0;
    e->rtol = torch ? 1e-4 : 1e-3; /* as the data's description states */
    e->atol = torch ? 1e-5 : 1e-7;
    e->dtype = has_f64(c, !f64) ? MODNAS_F64 : MODNAS_F32;
    const cs_op *op = cs_op_of(e);
    if (!op) return cs_skip(e, "operator %s is outside the library", c->op);
    int rc = op->fn(e);
    cs_end_case(e);
    if (rc == CS_OK) rc = all_checked(e);
    if (rc == CS_FAIL && unknown_attr(op, c->attrs, key, sizeof key))
        return cs_skip(e, "%s: attribute %s is not known", c->op, key);
    return rc;
}

static int run_all(modnas_ctx *ctx, const cs_file *f, mn_backend *b) {
    static const char *const words[] = {[CS_OK] = "ok", [CS_FAIL] = "FAIL", [CS_SKIP] = "skip"};
    const int f64 = runs_f64(b);
    int counts[3] = {0};
    for (int32_t i = 0; i < f->n_cases; i++) {
        cs_env e = {.ctx = ctx, .b = b};
        const int rc = run_case(&e, &f->cases[i], f64);
        counts[rc]++;
        printf("%s %s %s", words[rc], f->cases[i].name, e.detail);
        if (rc == CS_OK) printf(" (%.2g of the tolerance)", e.worst);
        printf("\n");
    }
    printf("%d passed, %d failed, %d skipped\n", counts[CS_OK], counts[CS_FAIL], counts[CS_SKIP]);
    return counts[CS_FAIL] > 0;
}

static void print_line(int32_t level, const char *text, void *ud) {
    (void)ud;
    if (level <= MODNAS_LOG_WARN) fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv) {
    const modnas_ctx_opts opts = {.size = sizeof opts, .log_fn = print_line};
    modnas_ctx *ctx;
    mn_backend *b = NULL;
    cs_file f = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: cases FOLDER BACKEND\n");
        return 2;
    }
    if (modnas_ctx_new(&opts, &ctx) != 0) return 2;
    int status = 2;
    if (cs_file_read(ctx, argv[1], &f) || mn_backend_open(ctx, argv[2], 0, &b))
        fprintf(stderr, "%s\n", modnas_errmsg(ctx));
    else
        status = run_all(ctx, &f, b);
    mn_backend_close(b);
    if (f.ctx) cs_file_free(&f);
    modnas_ctx_free(ctx);
    return status;
}
